// The states of the pipeline: their words, and a shape each, so that colour is never all that tells.

const CIRCLE = "M12 2.5a9.5 9.5 0 1 0 0 19 9.500 9.500 0 0 0 0-19Z";

export const STATES = {
  in_step: { word: "In step", paths: [CIRCLE, "m7.500 12.300 3 3 6-6.500"] },
  catching_up: { word: "Catching up", paths: [CIRCLE, "m8 8 4 4-4 4m5-8 4 4-4 4"] },
  behind: { word: "Behind", paths: [CIRCLE, "M12 7v5.300l3.500 2"] },
  stopped: { word: "Stopped", paths: [CIRCLE, "M9 9h6v6H9Z"] },
  unknown: { word: "No connection", paths: [CIRCLE, "m8.500 8.500 7 7m0-7-7 7"] },
};

/** Return a state's words and shape; one that is not known counts as unknown. */
export function stateOf(name) {
  return STATES[name] ?? STATES.unknown;
}
