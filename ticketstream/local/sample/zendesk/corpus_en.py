"""What English-speaking customers and agents write about, topic by topic.

Sentences hold the slots ``{product} {order} {amount} {date} {city} {device} {code} {name} {agent}
{days}``, filled for each ticket, so that no two tickets read the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Topic(NamedTuple):
    """A reason to write to the desk; ``tag`` is on every ticket about it."""

    tag: str
    group: int
    kind: str
    subjects: tuple[str, ...]
    openings: tuple[str, ...]
    details: tuple[str, ...]
    answers: tuple[str, ...]
    replies: tuple[str, ...]
    notes: tuple[str, ...]


TOPICS: Final = (
    Topic(
        "refund",
        1,
        "question",
        (
            "Refund for order {order}",
            "I want my money back for the {product}",
            "Still waiting for my refund of {amount}",
            "Money-back guarantee, {product}",
        ),
        (
            "I returned the {product} on {date} and have not received my refund of {amount} yet.",
            "I would like a full refund for order {order}; the {product} is not what I expected.",
            "You promised my money back within {days} days, but {amount} is still missing on my account.",
            "Please refund the {amount} I paid for the {product}.",
        ),
        (
            "The parcel centre in {city} confirmed that you received the return.",
            "I paid by credit card and the statement shows no credit so far.",
            "I am within the thirty day return period and have kept the original packaging.",
            "Your shop page says that refunds are paid within {days} working days.",
        ),
        (
            "I have started the refund of {amount}; it reaches your account within {days} working days.",
            "The return of the {product} has arrived and our finance team is paying the money back now.",
            "I am sorry for the wait. The refund for order {order} was held up and is released as of today.",
        ),
        (
            "Thank you, the money has arrived.",
            "It has been another {days} days and I still see no refund on my bank statement.",
            "Could you split it? I only want to return one of the two items.",
        ),
        (
            "Refund over the limit for first line, {agent} has to approve {amount}.",
            "Warehouse scanned the return on {date}; condition is fine, pay out in full.",
        ),
    ),
    Topic(
        "password_reset",
        0,
        "problem",
        (
            "Password reset e-mail never arrives",
            "Cannot reset my password",
            "Locked out of my account",
            "Reset link has expired",
        ),
        (
            "I forgot my password and the reset e-mail does not arrive, not even in the spam folder.",
            "The password reset link says it has expired although I clicked it at once.",
            "My account is locked after too many wrong passwords and I cannot sign in any more.",
            "When I set a new password, the page only says that something went wrong.",
        ),
        (
            "I have tried it {days} times since {date}.",
            "My account name has not changed, and I use {device}.",
            "My colleague in {city} has the same problem with her account.",
            "The page shows the code {code}.",
        ),
        (
            "I have unlocked your account and sent a fresh reset link, which is valid for one hour.",
            "Your mail provider rejected our message; please add our address to your contacts and try again.",
            "Please open the reset link in a private window, as an old session may get in the way.",
        ),
        (
            "The new link worked, I can log in again.",
            "Still no e-mail. Can you set a temporary password by phone?",
            "I get the mail now, but the new password is not accepted.",
        ),
        (
            "Mail log shows a bounce from the provider on {date}, suppression entry removed.",
            "Identity checked by last order {order}, fine to reset.",
        ),
    ),
    Topic(
        "late_delivery",
        2,
        "incident",
        (
            "Where is my parcel? Order {order}",
            "Delivery is {days} days late",
            "Tracking has not moved since {date}",
            "Order {order} still not delivered",
        ),
        (
            "My order {order} should have arrived on {date} and there is still no parcel.",
            "The delivery of my {product} is now {days} days late.",
            "The tracking page has said 'in transit' near {city} for {days} days.",
            "The courier claims to have delivered the {product}, but nobody rang and nothing is here.",
        ),
        (
            "It is a birthday present and I need it by the weekend.",
            "My neighbours do not have the parcel either.",
            "The tracking number is {code}.",
            "The shipping company told me that only the sender can open a search.",
        ),
        (
            "I have asked the carrier to search for parcel {code}; they answer within {days} days.",
            "Your parcel was held in {city} and leaves the depot tonight.",
            "As the shipment is lost, I am sending you a new {product} today by express.",
        ),
        (
            "It arrived this morning, thanks for chasing it.",
            "The carrier says the address label was unreadable.",
            "I no longer need it, please cancel the order.",
        ),
        (
            "Carrier confirms loss, claim filed under {code}.",
            "Third late parcel from the {city} depot this week, tell logistics.",
        ),
    ),
    Topic(
        "damaged_item",
        2,
        "incident",
        (
            "{product} arrived broken",
            "Damaged on arrival: order {order}",
            "Cracked screen out of the box",
            "Box was crushed, item is scratched",
        ),
        (
            "The {product} arrived damaged: the housing is cracked on one side.",
            "The parcel was crushed and the {product} inside is broken.",
            "When I unpacked the {product}, the glass was shattered.",
            "One part of order {order} is bent and does not fit.",
        ),
        (
            "I have attached photos of the damage and of the packaging.",
            "The driver in {city} noted the damage on his device.",
            "There was hardly any padding in the box.",
            "I need a replacement by {date}.",
        ),
        (
            "I am sorry about that. A replacement {product} leaves our warehouse tomorrow.",
            "Thank you for the pictures; please keep the packaging until the carrier has inspected it.",
            "You can keep the damaged item, and we credit {amount} or send a new one, as you prefer.",
        ),
        (
            "A replacement would be best.",
            "The second one is damaged too!",
            "Photos are attached, is that enough?",
        ),
        (
            "Packaging fault known since batch {code}, replace without questions.",
            "Claim against carrier possible until {date}.",
        ),
    ),
    Topic(
        "invoice_wrong",
        1,
        "problem",
        (
            "Wrong amount on invoice {code}",
            "Invoice has the wrong company name",
            "VAT is missing on the invoice",
            "Billed twice for order {order}",
        ),
        (
            "Invoice {code} shows {amount}, but we agreed on a lower price.",
            "The invoice for order {order} is made out to the wrong company and address.",
            "The VAT number is missing on the invoice, and our accounting cannot book it.",
            "We were charged twice for the same order {order}.",
        ),
        (
            "Our tax adviser needs the corrected document by {date}.",
            "The difference is exactly one licence of {product}.",
            "Our office moved to {city} and I changed the billing address in the portal.",
            "Please send a corrected invoice and a credit note as PDF.",
        ),
        (
            "I have cancelled invoice {code} and attached the corrected one.",
            "The second charge was only a reservation and falls off your card within {days} days.",
            "Your VAT number is now in the account; future invoices carry it.",
        ),
        (
            "The corrected invoice is fine, thank you.",
            "The address is still the old one.",
            "Could you send all invoices of this year again?",
        ),
        (
            "Price list of {date} was not loaded for this account, finance knows.",
            "Double booking caused by a repeated call to the payment gateway, see {code}.",
        ),
    ),
    Topic(
        "app_crash_login",
        0,
        "incident",
        (
            "App crashes on login",
            "{product} app closes right after sign-in",
            "Crash since the last update, code {code}",
            "Cannot log in on {device}",
        ),
        (
            "Since the update of {date} the app crashes as soon as I log in.",
            "After I enter my password, the {product} app closes without any message.",
            "The app freezes on the login screen of my {device} and then crashes.",
            "Signing in with the fingerprint makes the app quit at once.",
        ),
        (
            "I reinstalled it and restarted the {device}, to no avail.",
            "The crash report carries the code {code}.",
            "It works on my old phone with the same account.",
            "It happens every single time, on Wi-Fi and on mobile data.",
        ),
        (
            "This crash is known on {device}; version 7.{days} fixes it and is in the store from today.",
            "Please clear the app's storage once and log in again.",
            "Could you send us the diagnostic file from Settings, Help, Send logs?",
        ),
        (
            "The new version works, the crash is gone.",
            "Logs are attached; it crashed again at {date}.",
            "Still crashing, now even before the login screen.",
        ),
        (
            "Null token in session restore, engineering ticket {code}.",
            "About {days} customers with {device} affected, add to the problem ticket.",
        ),
    ),
    Topic(
        "cancel_subscription",
        1,
        "question",
        (
            "Cancel my subscription",
            "How do I end my {product} plan?",
            "Please stop the renewal on {date}",
            "Cancelled, but charged again",
        ),
        (
            "I want to cancel my {product} subscription before it renews on {date}.",
            "I cannot find where to end the subscription in my account.",
            "I cancelled last month and you still charged me {amount}.",
            "We are closing our {city} office and no longer need {product}.",
        ),
        (
            "Please confirm the cancellation in writing.",
            "The button in the settings only leads to a sales chat.",
            "I have been a customer for {days} years and was happy, but no longer need it.",
            "Is there a period of notice?",
        ),
        (
            "Your subscription is cancelled and ends on {date}; there are no further charges.",
            "I have cancelled the plan and returned the last charge of {amount}.",
            "You can pause the plan for up to {days} months instead, if you like.",
        ),
        (
            "Thanks, the confirmation has arrived.",
            "A pause sounds good, please do that.",
            "I was charged again today!",
        ),
        (
            "Offer the pause first, then the downgrade; customer since long.",
            "Churn reason: price. Tell {agent}.",
        ),
    ),
    Topic(
        "wrong_item",
        2,
        "problem",
        (
            "Wrong item in the box",
            "Exchange {product} for another size",
            "I received somebody else's order",
            "Wrong colour delivered, order {order}",
        ),
        (
            "I ordered the {product} and received something completely different.",
            "The size does not fit, and I would like to exchange the {product}.",
            "The parcel for order {order} held another customer's goods and papers.",
            "I received the {product} in black, although I ordered white.",
        ),
        (
            "The packing slip names {code}, which I do not know.",
            "I can bring the parcel to a shop in {city}.",
            "Please send the right item before {date}.",
            "I have not opened the inner packaging.",
        ),
        (
            "I am sorry for the mix-up. A return label is attached and the right item is on its way.",
            "The exchange is booked; drop the parcel at any shop in {city}.",
            "We have the larger size in stock and keep one for you until {date}.",
        ),
        (
            "The right one came today, thank you.",
            "The return label does not print.",
            "Do I have to pay for the return?",
        ),
        (
            "Picker mixed up two bins, shelf {code}.",
            "Data protection: another customer's papers in the box, inform {agent}.",
        ),
    ),
    Topic(
        "payment_declined",
        1,
        "problem",
        (
            "Payment declined at checkout",
            "Card is not accepted",
            "Error {code} when paying",
            "Cannot pay for the {product}",
        ),
        (
            "My card is declined at checkout although my bank sees no reason for it.",
            "I cannot pay {amount} for the {product}; the page reports {code}.",
            "Paying by direct debit fails with an unknown error.",
            "The payment page loads for ever and then the basket is empty.",
        ),
        (
            "I tried three different cards.",
            "The same card works in other shops in {city}.",
            "The amount is reserved on my account all the same.",
            "I use {device} and have no ad blocker.",
        ),
        (
            "Your bank asks for a confirmation in its app, which timed out; please try again and confirm it.",
            "I have put the order aside and sent you a payment link valid until {date}.",
            "The reservation of {amount} is released within {days} days.",
        ),
        (
            "The payment link worked.",
            "It is declined again with the same code.",
            "I will pay by bank transfer, what are the details?",
        ),
        (
            "Risk rule {code} too strict for this country, raised with payments.",
            "Fraud score is low, accept manually.",
        ),
    ),
    Topic(
        "feature_request",
        3,
        "question",
        (
            "Feature request: dark mode",
            "Please add an export to Excel",
            "Suggestion for the {product}",
            "Could the calendar show weeks?",
        ),
        (
            "It would be great if the {product} app had a dark mode for the evening.",
            "I would love to export my reports to a spreadsheet.",
            "A suggestion: let us choose the language for each member of the team.",
            "Could you add a weekly view and reminders to the calendar?",
        ),
        (
            "We are a team of {days} in {city} and all of us would use it daily.",
            "Other tools have had this for years.",
            "I am happy to test an early version on my {device}.",
            "At the moment we copy everything by hand.",
        ),
        (
            "Thank you for the idea; I have passed it to our product team.",
            "That is planned for the second half of the year, and you can join the preview.",
            "There is a way already: open Reports, then Share, then Download.",
        ),
        (
            "Please sign me up for the preview.",
            "I did not know that, it is just what I needed.",
            "Any news on this?",
        ),
        (
            "Vote number {days} for this wish, linked to the roadmap.",
            "Big account, {agent} keeps in touch.",
        ),
    ),
    Topic(
        "data_privacy",
        4,
        "task",
        (
            "Delete my personal data",
            "GDPR: copy of all data about me",
            "Remove my account and all data",
            "Who can see my messages?",
        ),
        (
            "Under the GDPR I ask you to delete all personal data you hold about me.",
            "Please send me a copy of all data you have stored about me.",
            "I want my account removed for good, including the order history.",
            "I received a newsletter I never agreed to; where did you get my address from?",
        ),
        (
            "Please confirm within the legal period of {days} days.",
            "I used to live in {city} under another name.",
            "My customer number is {code}.",
            "Please also tell your partners to delete my data.",
        ),
        (
            "Your request reached our data protection officer and is answered by {date}.",
            "Your data has been deleted, apart from invoices we must keep by law.",
            "The copy of your data is ready; the link is protected and valid for {days} days.",
        ),
        (
            "Thank you for the quick deletion.",
            "The archive cannot be opened.",
            "I still receive your newsletter.",
        ),
        (
            "Legal deadline {date}. Keep the invoices, erase the rest.",
            "Identity not proven yet, ask for confirmation first.",
        ),
    ),
    Topic(
        "account_hacked",
        0,
        "incident",
        (
            "My account was hacked",
            "Orders I never made",
            "Suspicious sign-in from {city}",
            "Someone changed my e-mail address",
        ),
        (
            "Somebody broke into my account and ordered goods for {amount}.",
            "I received an alert about a sign-in from {city}, which was not me.",
            "The e-mail address of my account was changed without my doing.",
            "I clicked a phishing message that looked like yours and typed in my password.",
        ),
        (
            "Please block the account at once and stop order {order}.",
            "I have already changed the password of my mailbox.",
            "My card details are stored there, which worries me.",
            "The first strange sign-in was on {date}.",
        ),
        (
            "I have ended all sessions and blocked the account; order {order} is stopped.",
            "Please turn on two-step sign-in after setting a new password.",
            "Thank you for the report; our security team takes the phishing site down.",
        ),
        (
            "I have my account back, thank you!",
            "There was another sign-in last night.",
            "Should I report it to the police?",
        ),
        (
            "Credential stuffing from the same network, see {code}.",
            "Stolen card, tell payments and {agent}.",
        ),
    ),
    Topic(
        "api_error",
        3,
        "incident",
        (
            "API returns {code}",
            "Webhooks stopped arriving on {date}",
            "Rate limit reached by our integration",
            "Invalid signature in callback",
        ),
        (
            "Since {date} the API answers every second call with error {code}.",
            "Our server has received no webhooks from {product} for {days} hours.",
            "Our integration runs into the rate limit although we send few requests.",
            "The access token of our integration expires after some minutes.",
        ),
        (
            "The endpoint worked for months without a change on our side.",
            "The request id of a failed call is {code}.",
            "We call you from a data centre in {city}.",
            "The documentation does not mention this status.",
        ),
        (
            "A deployment of {date} broke the signature check; it has been rolled back.",
            "Please send at most {days} requests at once and obey the Retry-After header.",
            "Your webhook was switched off after repeated time-outs; I have switched it on again.",
        ),
        (
            "Calls succeed again since this morning.",
            "We still see time-outs on one call in ten.",
            "Can our limit be raised?",
        ),
        (
            "Gateway logs show 502 from one node, restarted.",
            "Plan allows {days} times more, sales may offer the add-on.",
        ),
    ),
    Topic(
        "slow_performance",
        3,
        "incident",
        (
            "Dashboard is extremely slow",
            "Is there an outage?",
            "Pages time out since {date}",
            "Search takes {days} minutes",
        ),
        (
            "The dashboard takes minutes to load, and some pages time out.",
            "Nobody in our {city} office can reach the service; is there an outage?",
            "Search has become unbearably slow since {date}.",
            "Uploading files stops half-way with a time-out.",
        ),
        (
            "Our own network is fine, other sites load at once.",
            "About {days} colleagues are affected.",
            "The browser console shows {code}.",
            "It is worst between nine and eleven in the morning.",
        ),
        (
            "There was an outage in one region; it has been solved since {date}.",
            "We have moved your account to another server, please try again.",
            "You can follow incidents on our status page.",
        ),
        (
            "Much faster now.",
            "It is slow again this morning.",
            "Do we get a credit for the downtime?",
        ),
        (
            "Database of shard {code} was overloaded by a report.",
            "Credit of {amount} approved by {agent}.",
        ),
    ),
    Topic(
        "address_change",
        2,
        "task",
        (
            "Change the delivery address of order {order}",
            "We have moved to {city}",
            "Wrong house number",
            "Deliver to a pick-up point instead",
        ),
        (
            "I entered the wrong house number for order {order}; please change the delivery address.",
            "We moved to {city} and need the {product} delivered there.",
            "Can the parcel go to a pick-up point instead of my home?",
            "Please hold the delivery until {date}, as we are on holiday.",
        ),
        (
            "The order was placed only an hour ago.",
            "The new address is already in my account.",
            "My neighbour could take it as well.",
            "The reference of the shipment is {code}.",
        ),
        (
            "The address of order {order} is changed and the label is printed anew.",
            "The parcel has left our warehouse; I have asked the carrier to redirect it to {city}.",
            "We hold the shipment until {date}.",
        ),
        (
            "Great, thank you.",
            "It still went to the old address.",
            "The pick-up point is closed on Saturdays.",
        ),
        (
            "Redirect costs {amount}, waived.",
            "Address fails validation, postcode belongs to {city}.",
        ),
    ),
    Topic(
        "warranty_repair",
        4,
        "problem",
        (
            "{product} stopped working, warranty?",
            "Repair of my {product}",
            "Warranty claim {code}",
            "How long does the repair take?",
        ),
        (
            "My {product} stopped working after {days} months; is this covered by the warranty?",
            "The {product} no longer switches on and I would like it repaired.",
            "I sent the {product} in for repair on {date} and have heard nothing.",
            "A button of the {product} broke off in normal use.",
        ),
        (
            "The serial number is {code}.",
            "I bought it in a shop in {city} and have the receipt.",
            "I depend on it for my work.",
            "A repair shop asked for {amount}, which is more than it is worth.",
        ),
        (
            "The warranty covers this; a prepaid label for the repair centre is attached.",
            "Your {product} is being repaired and comes back by {date}.",
            "The part is out of stock, so we replace the whole device.",
        ),
        (
            "The repaired device works perfectly.",
            "It came back with the same fault.",
            "Can I get a loan device meanwhile?",
        ),
        (
            "Known weak hinge of series {code}, goodwill after warranty too.",
            "Repair centre backlog is {days} days.",
        ),
    ),
    Topic(
        "discount_code",
        1,
        "question",
        (
            "Voucher {code} does not work",
            "Discount was not applied",
            "Gift card balance is wrong",
            "Student discount",
        ),
        (
            "The voucher code {code} is rejected as invalid at checkout.",
            "My discount was not taken off order {order}.",
            "The gift card over {amount} shows a balance of zero.",
            "I am a student; is there a reduced price for {product}?",
        ),
        (
            "According to the e-mail it is valid until {date}.",
            "I bought the card in your {city} shop.",
            "I did not use it before.",
            "The basket is above the minimum value.",
        ),
        (
            "The code was limited to new customers; here is another one for you: {code}.",
            "I have credited the discount of {amount} to your card.",
            "The gift card had not been activated, which I have done now.",
        ),
        (
            "The new code works.",
            "It says the code has been used already.",
            "Thank you for the goodwill!",
        ),
        (
            "Campaign ended a day early by mistake, honour it until {date}.",
            "Card was activated twice, see {code}.",
        ),
    ),
    Topic(
        "two_factor",
        0,
        "problem",
        (
            "No SMS code for sign-in",
            "Lost my phone with the authenticator",
            "Two-step verification fails",
            "New phone number",
        ),
        (
            "The text message with the sign-in code does not arrive on my {device}.",
            "I lost my phone and with it the authenticator app for the two-step verification.",
            "The six digits from the authenticator are rejected every time.",
            "My phone number has changed and I no longer receive the codes.",
        ),
        (
            "I have no backup codes left.",
            "I am abroad in {city} at the moment.",
            "It worked until {date}.",
            "The message shown is {code}.",
        ),
        (
            "After checking your identity I have removed the old phone; please register the new one.",
            "Please let the clock of your {device} set itself, as the codes depend on the time.",
            "The carrier had trouble delivering messages, which is solved now.",
        ),
        (
            "I am in again, thanks.",
            "The code comes after {days} minutes, when it is too late.",
            "Here is the copy of my identity card you asked for.",
        ),
        (
            "Identity checked by video call with {agent}.",
            "SMS route to this country fails since {date}, switched provider.",
        ),
    ),
    Topic(
        "device_pairing",
        4,
        "problem",
        (
            "{product} does not connect by Bluetooth",
            "Pairing with {device} fails",
            "Device not found on Wi-Fi",
            "Connection drops all the time",
        ),
        (
            "I cannot pair the {product} with my {device}.",
            "The {product} loses its Bluetooth connection every few minutes.",
            "The set-up does not find the {product} in my Wi-Fi network.",
            "After the firmware update of {date}, the {product} blinks red and does not connect.",
        ),
        (
            "I pressed the button for ten seconds, as the manual says.",
            "The firmware version is {code}.",
            "Another phone connects without trouble.",
            "The router is in the same room.",
        ),
        (
            "Please remove the {product} from the list of known devices and pair it anew.",
            "The {product} needs the 2.4 GHz band; please switch it on in your router.",
            "Firmware {code} solves the dropped connection and arrives within {days} days.",
        ),
        (
            "Pairing works after the reset.",
            "It connects, but there is no sound.",
            "The light still blinks red.",
        ),
        (
            "Regression of firmware {code}, roll back from the console.",
            "Ask for the router model before replacing.",
        ),
    ),
    Topic(
        "battery",
        4,
        "problem",
        (
            "Battery of the {product} drains overnight",
            "{product} gets very hot while charging",
            "Charger does not work",
            "Battery only lasts {days} hours",
        ),
        (
            "The battery of my {product} is empty after {days} hours.",
            "The {product} gets so hot while charging that I cannot touch it.",
            "The charger does not charge the {product} any more.",
            "The battery has swollen and the case no longer closes.",
        ),
        (
            "It started after the update of {date}.",
            "I only use the original cable.",
            "The battery report shows {code}.",
            "I live in {city}, so cold weather is not the reason.",
        ),
        (
            "Please stop using the {product} and do not charge it; a safe return box is on its way.",
            "A background service keeps it awake; the update of {date} corrects that.",
            "We replace the charger free of charge.",
        ),
        (
            "The battery lasts all day again.",
            "The return box has not arrived.",
            "Is it dangerous to keep it in the house?",
        ),
        (
            "Safety case: log the serial number {code} and inform {agent} at once.",
            "Recall of this batch is being considered, do not mention it.",
        ),
    ),
)

GREETINGS: Final = (
    "Hello,",
    "Hi there,",
    "Dear support team,",
    "Good morning,",
    "Hi,",
    "To whom it may concern,",
)
CLOSINGS: Final = (
    "Kind regards,\n{name}",
    "Thanks,\n{name}",
    "Best,\n{name} 🙏",
    "Yours sincerely,\n{name}",
    "{name}",
)
AGENT_GREETINGS: Final = ("Hello {name},", "Hi {name},", "Dear {name},")
AGENT_CLOSINGS: Final = (
    "Best regards,\n{agent}",
    "Is there anything else I can do for you?\n\n{agent}",
    "Have a nice day 😊\n{agent}",
)
FILLERS: Final = (
    "Please get back to me soon.",
    "This is quite urgent for us.",
    "I have been a happy customer so far 🙂",
    "I could not find anything about it in the help centre.",
    "You can also call me in the afternoon.",
    "I am rather disappointed, to be honest 😠",
    "Thank you in advance for your help.",
    "I already wrote to you about this on {date}.",
)
PRODUCTS: Final = (
    "Aurora Lamp",
    "Nimbus Backpack",
    "Pulse Watch 2",
    "Echo Buds Pro",
    "TrailRunner Shoes",
    "Kitchen Scale K4",
    "HomeHub Mini",
    "CloudDesk Team",
    "InvoiceFlow",
    "FitTrack Premium",
    "Solar Charger 20W",
    "Café Grinder Ⅱ",
    "Velo Lock",
    "AirSense Monitor",
)
DEVICES: Final = (
    "iPhone 15",
    "Galaxy S24",
    "Pixel 8",
    "an iPad",
    "Windows 11",
    "a MacBook Air",
    "Firefox",
    "Fairphone 5",
)
CITIES: Final = (
    "Berlin",
    "Zürich",
    "São Paulo",
    "Kraków",
    "Montréal",
    "Dublin",
    "Osaka",
    "Nairobi",
    "Malmö",
    "Austin",
    "Lyon",
    "Tel Aviv",
    "Leeds",
)
