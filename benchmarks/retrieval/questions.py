"""Questions to the sample account, each with the sentences that answer it.

A sentence is a part of what the sample's customers and agents write that no slot is in, so that the labels
hold for any number of tickets. The questions were written without looking at what a search returns.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ticketstream.demo.questions import QUESTIONS as OF_THE_DEMO


class Question(NamedTuple):
    """``answers`` are the sentences of which a passage that answers has one."""

    text: str
    answers: tuple[str, ...]


_TWICE: Final = (
    "charged twice for the same order",
    "The second charge was only a reservation",
    "Double booking caused by a repeated call",
)
_PASSWORD: Final = (
    "I forgot my password",
    "The password reset link says",
    "too many wrong passwords",
    "When I set a new password",
    "sent a fresh reset link",
    "पासवर्ड भूल गया",
    "mein Passwort vergessen",
)
_BROKEN: Final = (
    "arrived damaged: the housing is cracked",
    "the glass was shattered",
    "inside is broken",
    "llegó con la carcasa rota",
)
_OF_THE_DEMO: Final = {
    "I paid twice": _TWICE,
    "forgot my secret word and cannot sign in": _PASSWORD,
    "I want to stop paying every month": (
        "before it renews on",
        "where to end the subscription",
        "I cancelled last month and you still charged me",
        "Your subscription is cancelled",
        "dar de baja la suscripción",
    ),
}

QUESTIONS: Final = (
    *(Question(text, _OF_THE_DEMO[text]) for text in OF_THE_DEMO),
    Question(
        "the box was smashed and my order is in pieces",
        (*_BROKEN, "The parcel was crushed", "is bent and does not fit"),
    ),
    Question("the same order was charged to my card two times", _TWICE),
    Question("duplicate booking by the payment gateway", ("Double booking caused by a repeated call",)),
    Question(
        "VAT number missing on our bill",
        ("The VAT number is missing on the invoice", "Your VAT number is now"),
    ),
    Question("invoice is made out to a wrong company", ("made out to the wrong company and address",)),
    Question(
        "can I get all this year's invoices once more", ("Could you send all invoices of this year again",)
    ),
    Question(
        "when do I get my money back for a return",
        (
            "have not received my refund",
            "is still missing on my account",
            "I have started the refund",
            "I would like a full refund",
        ),
    ),
    Question("who has to approve large refunds", ("Refund over the limit for first line",)),
    Question(
        "what did the warehouse say about the returned goods",
        ("Warehouse scanned the return", "The return of the"),
    ),
    Question("only return one of two items", ("I only want to return one of the two items",)),
    Question(
        "reset mail bounced at the mail provider",
        ("Mail log shows a bounce", "Your mail provider rejected our message"),
    ),
    Question(
        "my account is locked after wrong passwords",
        ("too many wrong passwords", "I have unlocked your account"),
    ),
    Question(
        "parcel is late, where is it", ("should have arrived on", "days late.", "The tracking page has said")
    ),
    Question("courier says delivered but nothing arrived", ("The courier claims to have delivered",)),
    Question("several parcels from the same depot were late", ("late parcel from the",)),
    Question("carrier lost the shipment", ("As the shipment is lost", "Carrier confirms loss")),
    Question("screen was shattered when I opened the package", ("the glass was shattered",)),
    Question("known packaging problem of a batch", ("Packaging fault known since batch",)),
    Question("may I keep the broken item", ("You can keep the damaged item",)),
    Question(
        "app closes by itself right after signing in",
        (
            "the app crashes as soon as I log in",
            "app closes without any message",
            "freezes on the login screen",
            "makes the app quit",
        ),
    ),
    Question("fingerprint sign-in makes the app quit", ("Signing in with the fingerprint",)),
    Question("null token when restoring the session", ("Null token in session restore",)),
    Question(
        "end my subscription before it renews", ("before it renews on", "where to end the subscription")
    ),
    Question("I cancelled and was still charged", ("I cancelled last month and you still charged me",)),
    Question(
        "pause the plan instead of cancelling",
        ("You can pause the plan", "A pause sounds good", "Offer the pause first"),
    ),
    Question("why do customers leave, price", ("Churn reason: price",)),
    Question(
        "parcel contained another customer's papers",
        ("held another customer's goods", "another customer's papers in the box"),
    ),
    Question("black instead of white", ("although I ordered white",)),
    Question("do I pay the return shipping", ("Do I have to pay for the return",)),
    Question(
        "bank card declined although there is money",
        ("My card is declined at checkout", "Ma carte est refusée", "It is declined again"),
    ),
    Question("fraud score low, accept by hand", ("Fraud score is low",)),
    Question("dark mode for the evening", ("had a dark mode for the evening",)),
    Question(
        "download reports as a spreadsheet",
        ("export my reports to a spreadsheet", "open Reports, then Share, then Download"),
    ),
    Question(
        "erase everything you know about me",
        (
            "delete all personal data you hold",
            "I want my account removed for good",
            "Your data has been deleted",
            "effacer toutes mes données",
        ),
    ),
    Question(
        "newsletter I never agreed to", ("a newsletter I never agreed to", "I still receive your newsletter")
    ),
    Question(
        "phishing mail looked like yours", ("I clicked a phishing message", "takes the phishing site down")
    ),
    Question(
        "sign-in from a foreign city that was not me",
        ("an alert about a sign-in from", "There was another sign-in last night"),
    ),
    Question("webhooks no longer arrive", ("has received no webhooks", "Your webhook was switched off")),
    Question("Retry-After header", ("obey the Retry-After header",)),
    Question("gateway returned 502", ("Gateway logs show 502",)),
    Question("dashboard loads for minutes", ("The dashboard takes minutes to load",)),
    Question("money back for the downtime", ("Do we get a credit for the downtime", "approved by")),
    Question("wrong house number in the address", ("I entered the wrong house number",)),
    Question("who pays for redirecting a parcel", ("Redirect costs",)),
    Question("hinge breaks after the warranty", ("Known weak hinge of series",)),
    Question("loan device during the repair", ("Can I get a loan device meanwhile",)),
    Question("voucher rejected as invalid", ("is rejected as invalid at checkout", "结账时提示优惠码无效")),
    Question("campaign ended too early", ("Campaign ended a day early by mistake",)),
    Question("lost phone with authenticator", ("I lost my phone and with it the authenticator",)),
    Question("text messages with codes come too late", ("when it is too late", "does not arrive on my")),
    Question(
        "red light blinks after firmware update",
        ("blinks red and does not connect", "The light still blinks red"),
    ),
    Question("battery is swollen", ("The battery has swollen",)),
    Question("is a recall being considered", ("Recall of this batch is being considered",)),
    Question("Rechnung Umsatzsteuer fehlt", ("außerdem fehlt die Umsatzsteuer",)),
    Question("colis en retard, suivi bloqué", ("le suivi n'a pas bougé",)),
    Question("返金がまだ来ない", ("返金がまだ確認できません",)),
    Question("优惠码无效", ("结账时提示优惠码无效",)),
    Question("पासवर्ड भूल गया", ("पासवर्ड भूल गया",)),
    Question("הסוללה מתחממת בטעינה", ("והמכשיר מתחמם מאוד בזמן הטעינה",)),
)
