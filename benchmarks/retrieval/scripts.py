"""Words in many scripts, each with a ticket that has the word and others that only have pieces of it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Word(NamedTuple):
    """``asked`` is searched, ``has`` is the comment that has it, ``others`` are comments that have not."""

    language: str
    asked: str
    has: str
    others: tuple[str, ...]


WORDS: Final = (
    Word(
        "Hindi", "काम", "नया फ़ोन काम नहीं करता।", ("क्या म से नाम है? क म क म", "मेरा नाम कमल है, कम दाम में कुछ है?")
    ),
    Word("Hindi", "वापसी", "मुझे पैसे की वापसी चाहिए।", ("वह पास में है। सी वा प", "वप सी प वस")),
    Word("Hindi", "बिल", "बिल में राशि गलत है।", ("बल और बाल की दुकान", "ब ल ब ल")),
    Word("Marathi", "परतावा", "मला परतावा हवा आहे.", ("परत या वा", "पर तव त व")),
    Word("Bengali", "টাকা", "আমার টাকা ফেরত দিন।", ("ট ক ট ক", "টক টিকিট কট")),
    Word("Tamil", "பணம்", "என் பணம் திரும்ப வரவில்லை.", ("பண ம ண ம", "பாணி மணி பணி")),
    Word("Telugu", "డబ్బు", "నా డబ్బు తిరిగి రాలేదు.", ("డ బ బ డ", "డబ బాబు")),
    Word("Thai", "คืนเงิน", "ฉันต้องการขอคืนเงินสำหรับคำสั่งซื้อนี้", ("เมื่อคืนฝนตก ไม่มีอะไรเสีย", "งานเดินไปได้ดี เนินเขา")),
    Word("Thai", "พัง", "เครื่องใหม่พังตั้งแต่วันแรก", ("พาน้องไปฟังเพลง", "ผนังบ้านสีขาว")),
    Word("Lao", "ເງິນ", "ຂ້ອຍຢາກໄດ້ເງິນຄືນ", ("ເດີນທາງໄປງານ", "ນາ ງາ ເນ")),
    Word("Khmer", "លុយ", "ខ្ញុំចង់បានលុយវិញ", ("លេងយូរ", "យល់ ល យ")),
    Word("Burmese", "ပိုက်ဆံ", "ပိုက်ဆံပြန်လိုချင်ပါတယ်", ("ပ က ဆ", "ပန်းဆက် ပုံ")),
    Word(
        "Chinese", "退款", "请尽快退款给我，订单已取消。", ("我退了房间，存款还在。", "款式不错，不退不换。")
    ),
    Word("Chinese", "发票", "发票抬头写错了。", ("票已经发出去了。", "出发之前买票")),
    Word("Chinese", "猫", "猫把包裹弄坏了。", ("狗把包裹弄坏了。", "包裹没有坏。")),
    Word("Japanese", "返金", "まだ返金されていません。", ("金曜日に返事をします。", "返品の料金は？")),
    Word(
        "Japanese",
        "ログイン",
        "アプリにログインできません。",
        ("ログを送りました。インクが切れた。", "イングランドのログ"),
    ),
    Word("Japanese", "ﾌﾟﾘﾝﾀｰ", "新しいプリンターが動きません。", ("プリンを食べた。", "ターミナルで待つ。")),
    Word("Korean", "환불", "환불을 받고 싶습니다.", ("교환이 불가능합니다.", "불편합니다. 전환해 주세요.")),
    Word("Korean", "돈", "돈이 아직 안 들어왔어요.", ("돌이 아직 안 들어왔어요.", "도로가 막혔어요.")),
    Word("Arabic", "الفاتورة", "الفَاتُورَة غير صحيحة.", ("الفا تور ة", "فات الوقت على الدورة")),
    Word("Arabic", "استرداد", "أريد اسـترداد أموالي.", ("است رداد", "دار السرد")),
    Word("Persian", "می‌خواهم", "پولم را پس میخواهم.", ("می خوا هم", "خواهرم هم می‌رود")),
    Word("Hebrew", "חשבונית", "החֶשְׁבּוֹן, כלומר חשבונית, שגויה.", ("חשבון ית", "שבוע ניתוח")),
    Word("Hebrew", "שלום", "שָׁלוֹם, הסוללה התנפחה.", ("של ום הסוללה", "לשום דבר")),
    Word(
        "German",
        "Rückerstattung",
        "Wo bleibt meine RÜCKERSTATTUNG?",
        ("Rück er stattung", "Der Rücken tut weh, statt dessen"),
    ),
    Word("German", "Strasse", "Die Straße ist falsch geschrieben.", ("Die Strafe ist falsch.", "stra sse")),
    Word("French", "remboursé", "Je n'ai pas été remboursé.", ("rembours é", "Bourse et rembourrage")),
    Word("French", "colis égaré", "Un colis egare depuis lundi.", ("La gare est fermée.", "é gar é co lis")),
    Word("Spanish", "contraseña", "No recuerdo mi contrasena.", ("contra se ña", "una seña en contra")),
    Word("Polish", "łódź", "Adres: Łódź, ulica Długa.", ("ó d ź", "Zlot w piątek")),
    Word("Vietnamese", "hoàn tiền", "Tôi muốn được hoàn tiền.", ("ho àn ti ền", "hoa và tiệc")),
    Word("Turkish", "İADE", "iade istiyorum, ürün bozuk.", ("i a d e", "adet")),
    Word("Russian", "возврат", "Прошу ВОЗВРАТ денег.", ("воз врат", "врата и возраст")),
    Word("Greek", "επιστροφή", "Θέλω ΕΠΙΣΤΡΟΦΉ χρημάτων.", ("επι στρο φή", "στροφή δεξιά")),
    Word("English", "refunded", "I was never refunded.", ("re funded by a bank", "funding round")),
    Word("English", "naive", "A naïve question about the lamp.", ("na ve", "native speakers only")),
    Word(
        "code",
        "ERR_42",
        "It stops with ERR_42 at start.",
        ("It stops with ERR 17, ticket 42, err.", "42 42 42 err err err"),
    ),
    Word(
        "code",
        "INV-2024/17",
        "See INV-2024/17 please.",
        ("INV 2024, page 17, inv 17", "2024 17 inv inv 17 2024"),
    ),
    Word("code", "v2.10.3", "Broken since v2.10.3.", ("v2 10 3 10 3 v2", "3.10 v2")),
    Word("order", "#731905", "My order #731905 is late.", ("My order #731906 is late.", "order 73 1905")),
    Word(
        "address",
        "pat@example.org",
        "Write to pat@example.org please.",
        ("pat, example.com or org", "org example pat org example pat"),
    ),
)
