"""How well a search answers: labelled questions over the sample account, and words in many scripts."""
