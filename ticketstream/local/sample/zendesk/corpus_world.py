"""Tickets in other languages, right-to-left scripts among them; slots as in the English texts."""

from __future__ import annotations

from typing import Final, NamedTuple


class Phrases(NamedTuple):
    """What is written about a topic: subject, customer's message, agent's answer, customer's reply."""

    subject: str
    opening: str
    answer: str
    reply: str


WORLD: Final[dict[str, dict[str, Phrases]]] = {
    "de": {
        "refund": Phrases(
            "Rückerstattung für Bestellung {order}",
            "Ich habe {product} am {date} zurückgeschickt und warte noch auf die Erstattung von {amount}.",
            "Die Rückzahlung ist veranlasst und trifft in den nächsten {days} Werktagen bei Ihnen ein.",
            "Vielen Dank, das Geld ist angekommen.",
        ),
        "password_reset": Phrases(
            "Passwort zurücksetzen funktioniert nicht",
            "Ich habe mein Passwort vergessen, aber die E-Mail zum Zurücksetzen kommt nicht an.",
            "Ich habe Ihr Konto entsperrt und einen neuen Link geschickt, der eine Stunde gültig ist.",
            "Jetzt kann ich mich wieder anmelden. Schöne Grüße!",
        ),
        "late_delivery": Phrases(
            "Lieferung {order} verspätet",
            "Meine Bestellung sollte am {date} ankommen; das Paket hängt seit {days} Tagen in {city} fest.",
            "Wir haben beim Zustelldienst einen Nachforschungsauftrag unter {code} gestellt.",
            "Das Paket ist heute früh gekommen.",
        ),
        "invoice_wrong": Phrases(
            "Falscher Betrag auf Rechnung {code}",
            "Auf der Rechnung stehen {amount}, vereinbart war weniger; außerdem fehlt die Umsatzsteuer.",
            "Die Rechnung wurde storniert, die berichtigte finden Sie im Anhang.",
            "Die Anschrift ist leider immer noch falsch.",
        ),
    },
    "es": {
        "damaged_item": Phrases(
            "El producto llegó roto",
            "El {product} del pedido {order} llegó con la carcasa rota y la caja aplastada.",
            "Lo sentimos mucho. Mañana sale un {product} nuevo desde nuestro almacén.",
            "¡Perfecto, muchas gracias!",
        ),
        "cancel_subscription": Phrases(
            "Quiero cancelar mi suscripción",
            "No encuentro cómo dar de baja la suscripción antes del {date} y ya me han cobrado {amount}.",
            "Su suscripción queda cancelada y no habrá más cargos.",
            "Me han vuelto a cobrar hoy, ¿qué pasa?",
        ),
        "app_crash_login": Phrases(
            "La aplicación se cierra al iniciar sesión",
            "Desde la última actualización la aplicación se cierra al introducir la contraseña en {device}.",
            "El fallo está corregido en la nueva versión, disponible desde hoy.",
            "Sigue cerrándose con el código {code}.",
        ),
    },
    "fr": {
        "late_delivery": Phrases(
            "Colis en retard, commande {order}",
            "Le colis devait arriver le {date} et le suivi n'a pas bougé depuis {days} jours à {city}.",
            "Une enquête est ouverte auprès du transporteur sous la référence {code}.",
            "Toujours rien reçu, c'était un cadeau…",
        ),
        "payment_declined": Phrases(
            "Paiement refusé",
            "Ma carte est refusée pour {amount} alors que ma banque ne voit aucun problème.",
            "Votre banque demande une confirmation dans son application ; veuillez réessayer.",
            "Le lien de paiement a fonctionné, merci.",
        ),
        "data_privacy": Phrases(
            "Suppression de mes données personnelles",
            "En vertu du RGPD, je vous demande d'effacer toutes mes données, numéro de client {code}.",
            "Vos données ont été supprimées, sauf les factures que la loi nous oblige à conserver.",
            "Je reçois encore votre lettre d'information.",
        ),
    },
    "pt": {
        "wrong_item": Phrases(
            "Recebi o produto errado",
            "Pedi o {product} e recebi outra coisa completamente diferente no pedido {order}.",
            "Pedimos desculpa pela troca; a etiqueta de devolução segue em anexo.",
            "Obrigado, chegou o artigo certo.",
        ),
        "two_factor": Phrases(
            "Código SMS não chega",
            "O código de acesso por SMS não chega ao meu {device} e estou fora do país.",
            "Removemos o telefone antigo; registe agora o novo número.",
            "Já consegui entrar, obrigado!",
        ),
    },
    "ja": {
        "refund": Phrases(
            "返金のお願い（注文 {order}）",
            "{date}に{product}を返品しましたが、{amount}の返金がまだ確認できません。",
            "返金の手続きを行いました。{days}営業日以内にお振り込みいたします。",
            "入金を確認しました。ありがとうございます。",
        ),
        "device_pairing": Phrases(
            "Bluetoothで接続できません",
            "{product}が{device}とペアリングできず、赤いランプが点滅したままです。",
            "一度デバイスの登録を削除してから、もう一度ペアリングをお試しください。",
            "接続できるようになりましたが、音が出ません。",
        ),
    },
    "ar": {
        "late_delivery": Phrases(
            "تأخر توصيل الطلب {order}",
            "كان من المفترض أن يصل الطلب في {date} ولم يصل حتى الآن، والطرد متوقف في {city}.",
            "فتحنا بلاغ بحث لدى شركة الشحن برقم {code} وسنوافيكم بالرد قريبًا.",
            "وصل الطرد اليوم، شكرًا جزيلًا.",
        ),
        "account_hacked": Phrases(
            "تم اختراق حسابي",
            "شخص ما دخل إلى حسابي وطلب منتجات بقيمة {amount} دون علمي.",
            "أوقفنا جميع الجلسات وألغينا الطلب {order}، يرجى تعيين كلمة مرور جديدة.",
            "استعدت حسابي، شكرًا لكم.",
        ),
    },
    "he": {
        "invoice_wrong": Phrases(
            "סכום שגוי בחשבונית {code}",
            "בחשבונית מופיע {amount} אבל סיכמנו על מחיר נמוך יותר, וגם שם החברה שגוי.",
            "ביטלנו את החשבונית וצירפנו חשבונית מתוקנת.",
            "הכתובת עדיין לא נכונה.",
        ),
        "battery": Phrases(
            "הסוללה של {product} נגמרת מהר",
            "הסוללה מתרוקנת אחרי {days} שעות והמכשיר מתחמם מאוד בזמן הטעינה.",
            "אנא הפסיקו להשתמש במכשיר; קופסת החזרה בטוחה בדרך אליכם.",
            "תודה, ההחלפה הגיעה.",
        ),
    },
    "hi": {
        "password_reset": Phrases(
            "पासवर्ड रीसेट नहीं हो रहा",
            "मैं अपना पासवर्ड भूल गया हूँ और रीसेट का ईमेल नहीं आ रहा है।",
            "हमने आपका खाता खोल दिया है और नया लिंक भेज दिया है।",
            "धन्यवाद, अब लॉगिन हो गया।",
        ),
    },
    "ru": {
        "warranty_repair": Phrases(
            "Гарантийный ремонт {product}",
            "Устройство перестало включаться через {days} месяцев, серийный номер {code}.",
            "Гарантия действует, этикетка для сервисного центра во вложении.",
            "Вернули с той же неисправностью.",
        ),
    },
    "zh": {
        "discount_code": Phrases(
            "优惠码 {code} 无法使用",
            "结账时提示优惠码无效，但邮件上写着有效期到{date}，订单号是{order}。",
            "该优惠码仅限新用户使用，我们已为您退还{amount}的差价。",
            "新的优惠码可以用了，谢谢！",
        ),
    },
}
"""Language code to topic to phrases."""
