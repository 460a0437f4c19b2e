"""The wording of the built-in facts: questions and answers for each relation and language.

``{subject}`` and ``{object}`` stand for names as CLDR gives them: without article, in the basic form and often
capitalised as in a list. So every sentence is built to be right for any name, by apposition ("the country or
territory called ...", "adlı ülke veya bölgede"), quotation marks or a topic in front, as suits the language. A
territory is never called a country for certain, and a question never gives its answer away.
"""

from __future__ import annotations

# relation -> language -> "questions" or "answers" -> phrasings; within a language all are different.
PHRASINGS: dict[str, dict[str, dict[str, list[str]]]] = {
    "territory-currency": {
        "ar": {
            "questions": [
                "ما العملة الرسمية في {subject}؟",
                "بأي عملة يدفع الناس في {subject}؟",
                "أي عملة تُعدّ نقدًا قانونيًا في {subject}؟",
            ],
            "answers": [
                "العملة الرسمية في {subject} هي {object}.",
                "يدفع الناس في {subject} بالعملة التالية: {object}.",
                "النقد القانوني المتداول في {subject} هو {object}.",
            ],
        },
        "de": {
            "questions": [
                "Welche Währung gilt im Land oder Gebiet {subject}?",
                "{subject}: Womit bezahlt man dort?",
                "Wie heißt das gesetzliche Zahlungsmittel im Land oder Gebiet {subject}?",
            ],
            "answers": [
                "Im Land oder Gebiet {subject} gilt diese Währung: {object}.",
                "{subject}: Bezahlt wird dort mit der Währung {object}.",
                "Das gesetzliche Zahlungsmittel im Land oder Gebiet {subject} heißt {object}.",
            ],
        },
        "el": {
            "questions": [
                "Ποιο είναι το επίσημο νόμισμα στη χώρα ή περιοχή «{subject}»;",
                "{subject}: με ποιο νόμισμα γίνονται εκεί οι πληρωμές;",
                "Ποιο νόμισμα έχει νόμιμη κυκλοφορία στη χώρα ή περιοχή με το όνομα «{subject}»;",
            ],
            "answers": [
                "Το επίσημο νόμισμα στη χώρα ή περιοχή «{subject}» ονομάζεται «{object}».",
                "{subject}: οι πληρωμές γίνονται εκεί με το νόμισμα «{object}».",
                "Στη χώρα ή περιοχή με το όνομα «{subject}» νόμιμη κυκλοφορία έχει το εξής νόμισμα: {object}.",
            ],
        },
        "en": {
            "questions": [
                "What is the official currency of the country or territory called {subject}?",
                "{subject}: which currency do people pay with there?",
                "Which currency is legal tender in the following country or territory: {subject}?",
            ],
            "answers": [
                "The official currency of the country or territory called {subject} is the {object}.",
                "{subject}: people there pay with the {object}.",
                "Legal tender in the country or territory called {subject} is the {object}.",
            ],
        },
        "es": {
            "questions": [
                "¿Cuál es la moneda oficial del país o territorio llamado {subject}?",
                "{subject}: ¿con qué moneda se paga allí?",
                "¿Qué moneda es de curso legal en el país o territorio llamado {subject}?",
            ],
            "answers": [
                "La moneda oficial del país o territorio llamado {subject} es la siguiente: {object}.",
                "{subject}: allí se paga con esta moneda: {object}.",
                "La moneda de curso legal en el país o territorio llamado {subject} se denomina {object}.",
            ],
        },
        "hi": {
            "questions": [
                "{subject} की आधिकारिक मुद्रा क्या है?",
                "{subject} में लोग किस मुद्रा में भुगतान करते हैं?",
                "{subject} में कौन-सी मुद्रा वैध मानी जाती है?",
            ],
            "answers": [
                "{subject} की आधिकारिक मुद्रा {object} है।",
                "{subject} में लोग जिस मुद्रा में भुगतान करते हैं, वह {object} है।",
                "{subject} में वैध मुद्रा का नाम {object} है।",
            ],
        },
        "ru": {
            "questions": [
                "Какая валюта официально используется в стране или на территории «{subject}»?",
                "Страна или территория «{subject}»: чем там расплачиваются?",
                "Как называется законное платёжное средство в стране или на территории «{subject}»?",
            ],
            "answers": [
                "В стране или на территории «{subject}» официально используется валюта «{object}».",
                "Страна или территория «{subject}»: там расплачиваются валютой, которая называется «{object}».",
                "Законное платёжное средство в стране или на территории «{subject}» — {object}.",
            ],
        },
        "th": {
            "questions": [
                "สกุลเงินทางการของ {subject} คืออะไร",
                "ผู้คนใน {subject} ใช้เงินสกุลใด",
                "เงินตราที่ชำระหนี้ได้ตามกฎหมายใน {subject} คือสกุลใด",
            ],
            "answers": [
                "สกุลเงินทางการของ {subject} คือ {object}",
                "ผู้คนใน {subject} ใช้เงินสกุล {object}",
                "เงินตราที่ชำระหนี้ได้ตามกฎหมายใน {subject} คือ {object}",
            ],
        },
        "tr": {
            "questions": [
                "{subject} adlı ülke veya bölgede hangi para birimi kullanılır?",
                "{subject}: Burada alışverişte hangi para geçer?",
                "{subject} adlı ülke veya bölgenin resmî para birimi nedir?",
            ],
            "answers": [
                "{subject} adlı ülke veya bölgede {object} adlı para birimi kullanılır.",
                "{subject}: Burada alışverişte şu para geçer: {object}.",
                "{subject} adlı ülke veya bölgenin resmî para birimi şudur: {object}.",
            ],
        },
        "vi": {
            "questions": [
                "Đồng tiền chính thức của {subject} là gì?",
                "Người dân ở {subject} thanh toán bằng đồng tiền nào?",
                "Ở {subject}, loại tiền tệ nào được lưu hành hợp pháp?",
            ],
            "answers": [
                "Đồng tiền chính thức của {subject} là {object}.",
                "Người dân ở {subject} thanh toán bằng {object}.",
                "Ở {subject}, loại tiền tệ được lưu hành hợp pháp là {object}.",
            ],
        },
        "zh": {
            "questions": [
                "{subject}的法定货币是什么？",
                "在{subject}买东西要用哪种货币？",
                "{subject}的官方货币叫什么？",
            ],
            "answers": [
                "{subject}的法定货币是{object}。",
                "在{subject}买东西要用{object}。",
                "{subject}的官方货币叫{object}。",
            ],
        },
    },
    "territory-official_language": {
        "ar": {
            "questions": [
                "ما اللغة الرسمية في {subject}؟",
                "أي لغة تستخدمها السلطات رسميًا في {subject}؟",
                "بأي لغة تُكتب القوانين والوثائق الرسمية في {subject}؟",
            ],
            "answers": [
                "اللغة الرسمية في {subject} هي {object}.",
                "تستخدم السلطات في {subject} رسميًا اللغة التالية: {object}.",
                "لغة القوانين والوثائق الرسمية في {subject} هي {object}.",
            ],
        },
        "de": {
            "questions": [
                "Welche Sprache ist im Land oder Gebiet {subject} Amtssprache?",
                "{subject}: Wie heißt dort die Amtssprache?",
                "In welcher Sprache arbeiten die Behörden im Land oder Gebiet {subject}?",
            ],
            "answers": [
                "Im Land oder Gebiet {subject} ist {object} Amtssprache.",
                "{subject}: Die Amtssprache dort ist {object}.",
                "Die Behörden im Land oder Gebiet {subject} arbeiten in dieser Sprache: {object}.",
            ],
        },
        "el": {
            "questions": [
                "Ποια είναι η επίσημη γλώσσα στη χώρα ή περιοχή «{subject}»;",
                "{subject}: ποια γλώσσα έχει εκεί επίσημο καθεστώς;",
                "Σε ποια γλώσσα λειτουργεί η διοίκηση στη χώρα ή περιοχή με το όνομα «{subject}»;",
            ],
            "answers": [
                "Η επίσημη γλώσσα στη χώρα ή περιοχή «{subject}» είναι τα {object}.",
                "{subject}: επίσημο καθεστώς έχει εκεί η εξής γλώσσα: {object}.",
                "Στη χώρα ή περιοχή με το όνομα «{subject}» η διοίκηση λειτουργεί στη γλώσσα «{object}».",
            ],
        },
        "en": {
            "questions": [
                "What is the official language of the country or territory called {subject}?",
                "{subject}: which language is official there?",
                "In which language does the administration work in the country or territory called {subject}?",
            ],
            "answers": [
                "The official language of the country or territory called {subject} is {object}.",
                "{subject}: the language that is official there is {object}.",
                "In the country or territory called {subject}, the administration works in {object}.",
            ],
        },
        "es": {
            "questions": [
                "¿Cuál es el idioma oficial del país o territorio llamado {subject}?",
                "{subject}: ¿qué lengua tiene allí carácter oficial?",
                "¿En qué idioma trabaja la administración en el país o territorio llamado {subject}?",
            ],
            "answers": [
                "El idioma oficial del país o territorio llamado {subject} es el {object}.",
                "{subject}: la lengua que tiene allí carácter oficial es el {object}.",
                "En el país o territorio llamado {subject}, la administración trabaja en {object}.",
            ],
        },
        "hi": {
            "questions": [
                "{subject} की आधिकारिक भाषा कौन-सी है?",
                "{subject} में सरकारी कामकाज किस भाषा में होता है?",
                "{subject} में किस भाषा को राजभाषा का दर्जा मिला है?",
            ],
            "answers": [
                "{subject} की आधिकारिक भाषा {object} है।",
                "{subject} में सरकारी कामकाज {object} भाषा में होता है।",
                "{subject} में {object} भाषा को राजभाषा का दर्जा मिला है।",
            ],
        },
        "ru": {
            "questions": [
                "Какой язык является официальным в стране или на территории «{subject}»?",
                "Страна или территория «{subject}»: на каком языке там ведут официальные дела?",
                "Как называется официальный язык страны или территории «{subject}»?",
            ],
            "answers": [
                "В стране или на территории «{subject}» официальным является язык «{object}».",
                "Страна или территория «{subject}»: официальные дела там ведут на языке «{object}».",
                "Официальный язык страны или территории «{subject}» — {object}.",
            ],
        },
        "th": {
            "questions": [
                "ภาษาราชการของ {subject} คือภาษาอะไร",
                "หน่วยงานรัฐใน {subject} ใช้ภาษาใดในการทำงาน",
                "ภาษาใดมีสถานะเป็นภาษาทางการใน {subject}",
            ],
            "answers": [
                "ภาษาราชการของ {subject} คือภาษา{object}",
                "หน่วยงานรัฐใน {subject} ใช้ภาษา{object}ในการทำงาน",
                "ภาษา{object}มีสถานะเป็นภาษาทางการใน {subject}",
            ],
        },
        "tr": {
            "questions": [
                "{subject} adlı ülke veya bölgenin resmî dili nedir?",
                "{subject}: Burada resmî işlemler hangi dilde yapılır?",
                "{subject} adlı ülke veya bölgede hangi dil resmî statüye sahiptir?",
            ],
            "answers": [
                "{subject} adlı ülke veya bölgenin resmî dili şudur: {object}.",
                "{subject}: Burada resmî işlemler şu dilde yapılır: {object}.",
                "{subject} adlı ülke veya bölgede {object} resmî statüye sahiptir.",
            ],
        },
        "vi": {
            "questions": [
                "Ngôn ngữ chính thức của {subject} là gì?",
                "Cơ quan nhà nước ở {subject} làm việc bằng ngôn ngữ nào?",
                "Ở {subject}, ngôn ngữ nào có địa vị chính thức?",
            ],
            "answers": [
                "Ngôn ngữ chính thức của {subject} là {object}.",
                "Cơ quan nhà nước ở {subject} làm việc bằng {object}.",
                "Ở {subject}, {object} là ngôn ngữ có địa vị chính thức.",
            ],
        },
        "zh": {
            "questions": [
                "{subject}的官方语言是什么？",
                "{subject}的政府机关办公使用哪种语言？",
                "在{subject}，哪种语言具有官方地位？",
            ],
            "answers": [
                "{subject}的官方语言是{object}。",
                "{subject}的政府机关办公使用{object}。",
                "在{subject}，具有官方地位的语言是{object}。",
            ],
        },
    },
    "territory-timezone": {
        "ar": {
            "questions": [
                "ما المنطقة الزمنية في {subject}؟",
                "أي توقيت معتمد في {subject}؟",
                "بحسب أي توقيت تُضبط الساعات في {subject}؟",
            ],
            "answers": [
                "المنطقة الزمنية في {subject} هي «{object}».",
                "التوقيت المعتمد في {subject} هو {object}.",
                "تُضبط الساعات في {subject} بحسب {object}.",
            ],
        },
        "de": {
            "questions": [
                "In welcher Zeitzone liegt das Land oder Gebiet {subject}?",
                "{subject}: Welche Zeitzone gilt dort?",
                "Nach welcher Zeit richten sich die Uhren im Land oder Gebiet {subject}?",
            ],
            "answers": [
                "Das Land oder Gebiet {subject} liegt in der Zeitzone „{object}“.",
                "{subject}: Dort gilt die Zeitzone „{object}“.",
                "Im Land oder Gebiet {subject} richten sich die Uhren nach dieser Zeit: {object}.",
            ],
        },
        "el": {
            "questions": [
                "Σε ποια ζώνη ώρας βρίσκεται η χώρα ή περιοχή «{subject}»;",
                "{subject}: ποια ζώνη ώρας ισχύει εκεί;",
                "Με ποια ώρα ρυθμίζονται τα ρολόγια στη χώρα ή περιοχή «{subject}»;",
            ],
            "answers": [
                "Η χώρα ή περιοχή «{subject}» βρίσκεται στη ζώνη ώρας «{object}».",
                "{subject}: εκεί ισχύει η ζώνη ώρας «{object}».",
                "Στη χώρα ή περιοχή «{subject}» τα ρολόγια ρυθμίζονται με την εξής ώρα: {object}.",
            ],
        },
        "en": {
            "questions": [
                "Which time zone is the country or territory called {subject} in?",
                "{subject}: what time zone applies there?",
                "By which time are clocks set in the country or territory called {subject}?",
            ],
            "answers": [
                "The country or territory called {subject} is in the time zone {object}.",
                "{subject}: the time zone that applies there is {object}.",
                "In the country or territory called {subject}, clocks are set by {object}.",
            ],
        },
        "es": {
            "questions": [
                "¿En qué zona horaria se encuentra el país o territorio llamado {subject}?",
                "{subject}: ¿qué huso horario rige allí?",
                "¿Por qué hora se ajustan los relojes en el país o territorio llamado {subject}?",
            ],
            "answers": [
                "El país o territorio llamado {subject} se encuentra en la zona horaria «{object}».",
                "{subject}: allí rige el huso horario denominado «{object}».",
                "En el país o territorio llamado {subject}, los relojes se ajustan por la {object}.",
            ],
        },
        "hi": {
            "questions": [
                "{subject} किस समय क्षेत्र में आता है?",
                "{subject} में कौन-सा मानक समय चलता है?",
                "{subject} में घड़ियाँ किस समय के अनुसार मिलाई जाती हैं?",
            ],
            "answers": [
                "{subject} जिस समय क्षेत्र में आता है, उसका नाम ‘{object}’ है।",
                "{subject} में ‘{object}’ नाम का मानक समय चलता है।",
                "{subject} में घड़ियाँ ‘{object}’ के अनुसार मिलाई जाती हैं।",
            ],
        },
        "ru": {
            "questions": [
                "В каком часовом поясе находится страна или территория «{subject}»?",
                "Страна или территория «{subject}»: какой часовой пояс там действует?",
                "По какому часовому поясу живут в стране или на территории «{subject}»?",
            ],
            "answers": [
                "Страна или территория «{subject}» находится в часовом поясе «{object}».",
                "Страна или территория «{subject}»: там действует часовой пояс «{object}».",
                "В стране или на территории «{subject}» живут по часовому поясу «{object}».",
            ],
        },
        "th": {
            "questions": [
                "{subject} อยู่ในเขตเวลาใด",
                "ผู้คนใน {subject} ตั้งนาฬิกาตามเวลาใด",
                "เขตเวลาที่ใช้ใน {subject} เรียกว่าอะไร",
            ],
            "answers": [
                "{subject} อยู่ในเขตเวลาที่เรียกว่า “{object}”",
                "ผู้คนใน {subject} ตั้งนาฬิกาตาม{object}",
                "เขตเวลาที่ใช้ใน {subject} เรียกว่า “{object}”",
            ],
        },
        "tr": {
            "questions": [
                "{subject} adlı ülke veya bölge hangi saat diliminde yer alır?",
                "{subject}: Burada hangi saat dilimi geçerlidir?",
                "{subject} adlı ülke veya bölgede saatler neye göre ayarlanır?",
            ],
            "answers": [
                "{subject} adlı ülke veya bölge “{object}” diliminde yer alır.",
                "{subject}: Burada geçerli olan saat dilimi şudur: {object}.",
                "{subject} adlı ülke veya bölgede saatler “{object}” dilimine göre ayarlanır.",
            ],
        },
        "vi": {
            "questions": [
                "{subject} nằm trong múi giờ nào?",
                "Ở {subject}, người ta dùng giờ nào?",
                "Đồng hồ ở {subject} được chỉnh theo múi giờ nào?",
            ],
            "answers": [
                "{subject} nằm trong múi giờ có tên là “{object}”.",
                "Ở {subject}, người ta dùng múi giờ “{object}”.",
                "Đồng hồ ở {subject} được chỉnh theo múi giờ “{object}”.",
            ],
        },
        "zh": {
            "questions": [
                "{subject}属于哪个时区？",
                "{subject}使用什么时间？",
                "{subject}的钟表按照哪种时间调校？",
            ],
            "answers": [
                "{subject}所属的时区是{object}。",
                "{subject}使用{object}。",
                "{subject}的钟表按照{object}调校。",
            ],
        },
    },
    "language-script": {
        "ar": {
            "questions": [
                "بأي كتابة تُكتب عادةً اللغة المسماة «{subject}»؟",
                "ما نظام الكتابة المستخدم في اللغة التي تُعرف باسم «{subject}»؟",
                "أي حروف أو رموز تُدوَّن بها اللغة المسماة «{subject}»؟",
            ],
            "answers": [
                "تُكتب اللغة المسماة «{subject}» عادةً بالكتابة المعروفة باسم «{object}».",
                "نظام الكتابة المستخدم في اللغة التي تُعرف باسم «{subject}» هو «{object}».",
                "تُدوَّن اللغة المسماة «{subject}» بحروف أو رموز الكتابة «{object}».",
            ],
        },
        "de": {
            "questions": [
                "In welcher Schrift wird die Sprache {subject} üblicherweise geschrieben?",
                "Welche Schrift verwendet man für die Sprache {subject}?",
                "{subject}: Mit welchen Schriftzeichen schreibt man diese Sprache?",
            ],
            "answers": [
                "Die Sprache {subject} wird üblicherweise in der Schrift „{object}“ geschrieben.",
                "Für die Sprache {subject} verwendet man diese Schrift: {object}.",
                "{subject}: Diese Sprache schreibt man mit Zeichen der Schrift „{object}“.",
            ],
        },
        "el": {
            "questions": [
                "Με ποιο σύστημα γραφής γράφεται συνήθως η γλώσσα «{subject}»;",
                "Ποια γραφή χρησιμοποιεί η γλώσσα «{subject}»;",
                "{subject}: με ποιους χαρακτήρες γράφεται αυτή η γλώσσα;",
            ],
            "answers": [
                "Η γλώσσα «{subject}» γράφεται συνήθως με το σύστημα γραφής «{object}».",
                "Η γλώσσα «{subject}» χρησιμοποιεί την εξής γραφή: {object}.",
                "{subject}: αυτή η γλώσσα γράφεται με χαρακτήρες από το σύστημα γραφής «{object}».",
            ],
        },
        "en": {
            "questions": [
                "Which script is the language {subject} usually written in?",
                "What writing system does {subject} use?",
                "With which characters is the language called {subject} written?",
            ],
            "answers": [
                "The language {subject} is usually written in this script: {object}.",
                "The writing system that {subject} uses is {object}.",
                "The language called {subject} is written with the characters of this script: {object}.",
            ],
        },
        "es": {
            "questions": [
                "¿Con qué sistema de escritura se escribe normalmente el idioma {subject}?",
                "¿Qué sistema de escritura emplea la lengua llamada {subject}?",
                "¿Con qué caracteres se escribe el idioma {subject}?",
            ],
            "answers": [
                "El idioma {subject} se escribe normalmente con el sistema de escritura {object}.",
                "La lengua llamada {subject} emplea el sistema de escritura que se conoce como «{object}».",
                "El idioma {subject} se escribe con los caracteres del sistema de escritura {object}.",
            ],
        },
        "hi": {
            "questions": [
                "{subject} भाषा आम तौर पर किस लिपि में लिखी जाती है?",
                "{subject} भाषा की लिपि कौन-सी है?",
                "{subject} भाषा लिखने के लिए किस लिपि के अक्षर काम आते हैं?",
            ],
            "answers": [
                "{subject} भाषा आम तौर पर {object} लिपि में लिखी जाती है।",
                "{subject} भाषा की लिपि {object} है।",
                "{subject} भाषा लिखने के लिए {object} लिपि के अक्षर काम आते हैं।",
            ],
        },
        "ru": {
            "questions": [
                "Какая письменность обычно используется для языка «{subject}»?",
                "Какими знаками пишут на языке «{subject}»?",
                "На какой системе письма основана запись языка «{subject}»?",
            ],
            "answers": [
                "Для языка «{subject}» обычно используется письменность «{object}».",
                "На языке «{subject}» пишут знаками письменности «{object}».",
                "Запись языка «{subject}» основана на такой системе письма: {object}.",
            ],
        },
        "th": {
            "questions": [
                "ภาษา{subject}มักเขียนด้วยอักษรใด",
                "ระบบการเขียนของภาษา{subject}ใช้อักษรอะไร",
                "ถ้าจะเขียนภาษา{subject} ต้องใช้ตัวอักษรแบบใด",
            ],
            "answers": [
                "ภาษา{subject}มักเขียนด้วยอักษร{object}",
                "ระบบการเขียนของภาษา{subject}ใช้อักษร{object}",
                "ถ้าจะเขียนภาษา{subject} ต้องใช้ตัวอักษรแบบ{object}",
            ],
        },
        "tr": {
            "questions": [
                "{subject} genellikle hangi yazı sistemiyle yazılır?",
                "{subject} için hangi yazı kullanılır?",
                "{subject} hangi yazının harfleri veya işaretleriyle yazılır?",
            ],
            "answers": [
                "{subject} genellikle {object} yazı sistemiyle yazılır.",
                "{subject} için şu yazı kullanılır: {object}.",
                "{subject}, {object} yazısının harfleri veya işaretleriyle yazılır.",
            ],
        },
        "vi": {
            "questions": [
                "{subject} thường được viết bằng loại chữ nào?",
                "Hệ chữ viết của {subject} là gì?",
                "Người ta dùng chữ nào để ghi {subject}?",
            ],
            "answers": [
                "{subject} thường được viết bằng {object}.",
                "Hệ chữ viết của {subject} là {object}.",
                "Người ta dùng {object} để ghi {subject}.",
            ],
        },
        "zh": {
            "questions": [
                "{subject}通常用什么文字书写？",
                "{subject}采用哪种书写系统？",
                "要写{subject}，得用哪种文字的字符？",
            ],
            "answers": [
                "{subject}通常用{object}书写。",
                "{subject}采用的书写系统是{object}。",
                "要写{subject}，得用{object}的字符。",
            ],
        },
    },
    "language-territory": {
        "ar": {
            "questions": [
                "في أي بلد أو إقليم يتركز استخدام اللغة المسماة «{subject}»؟",
                "ما موطن اللغة التي تُعرف باسم «{subject}»؟",
                "أين تُستخدم اللغة المسماة «{subject}» في المقام الأول؟",
            ],
            "answers": [
                "يتركز استخدام اللغة المسماة «{subject}» في {object}.",
                "موطن اللغة التي تُعرف باسم «{subject}» هو {object}.",
                "تُستخدم اللغة المسماة «{subject}» في المقام الأول في {object}.",
            ],
        },
        "de": {
            "questions": [
                "In welchem Land oder Gebiet ist die Sprache {subject} vor allem zu Hause?",
                "{subject}: Wo ist diese Sprache hauptsächlich verbreitet, in welchem Land oder Gebiet?",
                "Welches Land oder Gebiet ist die Heimat der Sprache {subject}?",
            ],
            "answers": [
                "Die Sprache {subject} ist vor allem in diesem Land oder Gebiet zu Hause: {object}.",
                "{subject}: Diese Sprache ist hauptsächlich im Land oder Gebiet {object} verbreitet.",
                "Heimat der Sprache {subject} ist das Land oder Gebiet {object}.",
            ],
        },
        "el": {
            "questions": [
                "Σε ποια χώρα ή περιοχή χρησιμοποιείται κυρίως η γλώσσα «{subject}»;",
                "Ποια χώρα ή περιοχή είναι η κοιτίδα της γλώσσας «{subject}»;",
                "{subject}: πού είναι διαδεδομένη κυρίως αυτή η γλώσσα;",
            ],
            "answers": [
                "Η γλώσσα «{subject}» χρησιμοποιείται κυρίως στη χώρα ή περιοχή «{object}».",
                "Κοιτίδα της γλώσσας «{subject}» είναι η εξής χώρα ή περιοχή: {object}.",
                "{subject}: αυτή η γλώσσα είναι διαδεδομένη κυρίως στη χώρα ή περιοχή με το όνομα «{object}».",
            ],
        },
        "en": {
            "questions": [
                "In which country or territory is the language {subject} mainly used?",
                "Which country or territory is the home of the language called {subject}?",
                "Where is the language {subject} most at home?",
            ],
            "answers": [
                "The language {subject} is mainly used in this country or territory: {object}.",
                "The home of the language called {subject} is this country or territory: {object}.",
                "The language {subject} is most at home in the country or territory called {object}.",
            ],
        },
        "es": {
            "questions": [
                "¿En qué país o territorio se usa principalmente el idioma {subject}?",
                "¿De qué país o territorio es propia la lengua llamada {subject}?",
                "¿Dónde está más extendido el idioma {subject}?",
            ],
            "answers": [
                "El idioma {subject} se usa principalmente en el país o territorio llamado {object}.",
                "La lengua llamada {subject} es propia del país o territorio llamado {object}.",
                "El país o territorio donde más extendido está el idioma {subject} es el siguiente: {object}.",
            ],
        },
        "hi": {
            "questions": [
                "{subject} भाषा मुख्य रूप से किस देश या क्षेत्र में प्रयोग होती है?",
                "{subject} भाषा किस देश या क्षेत्र की भाषा है?",
                "{subject} भाषा का घर किस देश या क्षेत्र को माना जाता है?",
            ],
            "answers": [
                "{subject} भाषा मुख्य रूप से {object} में प्रयोग होती है।",
                "{subject} भाषा जिस देश या क्षेत्र की भाषा है, उसका नाम {object} है।",
                "{subject} भाषा का घर {object} को माना जाता है।",
            ],
        },
        "ru": {
            "questions": [
                "В какой стране или на какой территории главным образом распространён язык «{subject}»?",
                "Какая страна или территория считается родиной языка «{subject}»?",
                "Где в основном пользуются языком «{subject}»?",
            ],
            "answers": [
                "Язык «{subject}» распространён главным образом в стране или на территории «{object}».",
                "Родиной языка «{subject}» считается страна или территория «{object}».",
                "Языком «{subject}» в основном пользуются в стране или на территории «{object}».",
            ],
        },
        "th": {
            "questions": [
                "ภาษา{subject}ใช้กันเป็นหลักในประเทศหรือดินแดนใด",
                "ถิ่นของภาษา{subject}อยู่ที่ประเทศหรือดินแดนใด",
                "ภาษา{subject}แพร่หลายที่สุดในประเทศหรือดินแดนใด",
            ],
            "answers": [
                "ภาษา{subject}ใช้กันเป็นหลักใน {object}",
                "ถิ่นของภาษา{subject}อยู่ที่ {object}",
                "ภาษา{subject}แพร่หลายที่สุดใน {object}",
            ],
        },
        "tr": {
            "questions": [
                "{subject} en çok hangi ülkede veya bölgede kullanılır?",
                "Hangi ülke veya bölge {subject} için yurt sayılır?",
                "{subject} esas olarak nerede yaygındır?",
            ],
            "answers": [
                "{subject} en çok {object} adlı ülke veya bölgede kullanılır.",
                "{subject} için yurt sayılan ülke veya bölge şudur: {object}.",
                "{subject} esas olarak {object} adlı ülke veya bölgede yaygındır.",
            ],
        },
        "vi": {
            "questions": [
                "{subject} chủ yếu được dùng ở quốc gia hoặc vùng lãnh thổ nào?",
                "{subject} là ngôn ngữ của quốc gia hay vùng lãnh thổ nào?",
                "{subject} phổ biến nhất ở đâu?",
            ],
            "answers": [
                "{subject} chủ yếu được dùng ở {object}.",
                "{subject} là một ngôn ngữ của {object}.",
                "{subject} phổ biến nhất ở {object}.",
            ],
        },
        "zh": {
            "questions": [
                "{subject}主要在哪个国家或地区使用？",
                "{subject}是哪个国家或地区的语言？",
                "{subject}在哪里最为通行？",
            ],
            "answers": [
                "{subject}主要在{object}使用。",
                "{subject}是{object}的语言。",
                "{subject}在{object}最为通行。",
            ],
        },
    },
    "city-territory": {
        "ar": {
            "questions": [
                "في أي بلد أو إقليم تقع مدينة {subject}؟",
                "إلى أي بلد أو إقليم تنتمي مدينة {subject}؟",
                "أين تقع مدينة {subject}؟",
            ],
            "answers": [
                "تقع مدينة {subject} في {object}.",
                "تنتمي مدينة {subject} إلى البلد أو الإقليم المسمى {object}.",
                "{object} هو اسم البلد أو الإقليم الذي توجد فيه مدينة {subject}.",
            ],
        },
        "de": {
            "questions": [
                "In welchem Land oder Gebiet liegt die Stadt {subject}?",
                "Wohin muss man reisen, um nach {subject} zu kommen: in welches Land oder Gebiet?",
                "Zu welchem Land oder Gebiet gehört {subject}?",
            ],
            "answers": [
                "Die Stadt {subject} liegt in diesem Land oder Gebiet: {object}.",
                "Wer nach {subject} will, muss in das Land oder Gebiet {object} reisen.",
                "{subject} gehört zum Land oder Gebiet {object}.",
            ],
        },
        "el": {
            "questions": [
                "Σε ποια χώρα ή περιοχή βρίσκεται η πόλη «{subject}»;",
                "Σε ποια χώρα ή περιοχή ανήκει η πόλη «{subject}»;",
                "Πού θα αναζητούσατε στον χάρτη την πόλη «{subject}», σε ποια χώρα ή περιοχή;",
            ],
            "answers": [
                "Η πόλη «{subject}» βρίσκεται στη χώρα ή περιοχή «{object}».",
                "Η πόλη «{subject}» ανήκει στην εξής χώρα ή περιοχή: {object}.",
                "Στον χάρτη θα βρείτε την πόλη «{subject}» στη χώρα ή περιοχή με το όνομα «{object}».",
            ],
        },
        "en": {
            "questions": [
                "In which country or territory is {subject}?",
                "Which country or territory does {subject} belong to?",
                "Where on the map is {subject}, in which country or territory?",
            ],
            "answers": [
                "{subject} is in the country or territory called {object}.",
                "{subject} belongs to this country or territory: {object}.",
                "On the map, {subject} is found in the country or territory called {object}.",
            ],
        },
        "es": {
            "questions": [
                "¿En qué país o territorio está {subject}?",
                "¿A qué país o territorio pertenece {subject}?",
                "¿Adónde hay que viajar para visitar {subject}?",
            ],
            "answers": [
                "{subject} está en el siguiente país o territorio: {object}.",
                "{subject} pertenece al país o territorio llamado {object}.",
                "Para visitar {subject} hay que viajar al país o territorio denominado {object}.",
            ],
        },
        "hi": {
            "questions": [
                "{subject} शहर किस देश या क्षेत्र में है?",
                "{subject} किस देश या क्षेत्र का हिस्सा है?",
                "{subject} घूमने के लिए किस देश या क्षेत्र में जाना होगा?",
            ],
            "answers": [
                "{subject} शहर {object} में है।",
                "{subject} जिस देश या क्षेत्र का हिस्सा है, उसका नाम {object} है।",
                "{subject} घूमने के लिए {object} जाना होगा।",
            ],
        },
        "ru": {
            "questions": [
                "В какой стране или на какой территории находится город {subject}?",
                "{subject}: к какой стране или территории относится этот город?",
                "Куда нужно поехать, чтобы увидеть город {subject}?",
            ],
            "answers": [
                "Город {subject} находится в стране или на территории «{object}».",
                "{subject}: этот город относится к стране или территории «{object}».",
                "Чтобы увидеть город {subject}, нужно поехать в страну или на территорию «{object}».",
            ],
        },
        "th": {
            "questions": [
                "เมือง{subject}อยู่ในประเทศหรือดินแดนใด",
                "เมือง{subject}เป็นส่วนหนึ่งของประเทศหรือดินแดนใด",
                "ถ้าอยากไปเที่ยวเมือง{subject} ต้องเดินทางไปประเทศหรือดินแดนใด",
            ],
            "answers": [
                "เมือง{subject}อยู่ใน {object}",
                "เมือง{subject}เป็นส่วนหนึ่งของ {object}",
                "ถ้าอยากไปเที่ยวเมือง{subject} ต้องเดินทางไป {object}",
            ],
        },
        "tr": {
            "questions": [
                "{subject} şehri hangi ülkede veya bölgede yer alır?",
                "{subject} hangi ülkenin veya bölgenin sınırları içindedir?",
                "{subject} şehrini görmek için hangi ülkeye veya bölgeye gitmek gerekir?",
            ],
            "answers": [
                "{subject} şehri {object} adlı ülke veya bölgede yer alır.",
                "{subject} şu ülkenin veya bölgenin sınırları içindedir: {object}.",
                "{subject} şehrini görmek için {object} adlı ülkeye veya bölgeye gitmek gerekir.",
            ],
        },
        "vi": {
            "questions": [
                "{subject} nằm ở quốc gia hoặc vùng lãnh thổ nào?",
                "{subject} thuộc quốc gia hay vùng lãnh thổ nào?",
                "Muốn đến thăm {subject} thì phải sang quốc gia hoặc vùng lãnh thổ nào?",
            ],
            "answers": [
                "{subject} nằm ở {object}.",
                "{subject} là một nơi thuộc {object}.",
                "Muốn đến thăm {subject} thì phải sang {object}.",
            ],
        },
        "zh": {
            "questions": [
                "{subject}位于哪个国家或地区？",
                "{subject}是哪个国家或地区的城市？",
                "想去{subject}旅行，要前往哪个国家或地区？",
            ],
            "answers": [
                "{subject}位于{object}。",
                "{subject}是{object}的城市。",
                "想去{subject}旅行，要前往{object}。",
            ],
        },
    },
    "city-timezone": {
        "ar": {
            "questions": [
                "في أي منطقة زمنية تقع مدينة {subject}؟",
                "أي توقيت تتبعه مدينة {subject}؟",
                "ما اسم التوقيت المحلي في مدينة {subject}؟",
            ],
            "answers": [
                "تقع مدينة {subject} في المنطقة الزمنية «{object}».",
                "تتبع مدينة {subject} التوقيت المعروف باسم «{object}».",
                "اسم التوقيت المحلي في مدينة {subject} هو {object}.",
            ],
        },
        "de": {
            "questions": [
                "In welcher Zeitzone liegt die Stadt {subject}?",
                "Wie heißt die Ortszeit in {subject}?",
                "Zu welcher Zeitzone gehört {subject}?",
            ],
            "answers": [
                "Die Stadt {subject} liegt in der Zeitzone „{object}“.",
                "Die Ortszeit in {subject} heißt „{object}“.",
                "{subject} gehört zu dieser Zeitzone: {object}.",
            ],
        },
        "el": {
            "questions": [
                "Σε ποια ζώνη ώρας βρίσκεται η πόλη «{subject}»;",
                "Πώς ονομάζεται η τοπική ώρα στην πόλη «{subject}»;",
                "Ποια ζώνη ώρας ακολουθεί η πόλη «{subject}»;",
            ],
            "answers": [
                "Η πόλη «{subject}» βρίσκεται στη ζώνη ώρας «{object}».",
                "Η τοπική ώρα στην πόλη «{subject}» ονομάζεται «{object}».",
                "Η πόλη «{subject}» ακολουθεί την εξής ζώνη ώρας: {object}.",
            ],
        },
        "en": {
            "questions": [
                "Which time zone is {subject} in?",
                "What is the local time in {subject} called?",
                "Which time zone do people in {subject} live by?",
            ],
            "answers": [
                "{subject} is in the time zone {object}.",
                "The local time in {subject} is called {object}.",
                "People in {subject} live by the time zone {object}.",
            ],
        },
        "es": {
            "questions": [
                "¿En qué zona horaria está {subject}?",
                "¿Cómo se llama la hora local en {subject}?",
                "¿A qué huso horario pertenece {subject}?",
            ],
            "answers": [
                "{subject} está en la zona horaria «{object}».",
                "La hora local en {subject} se llama «{object}».",
                "{subject} pertenece al siguiente huso horario: {object}.",
            ],
        },
        "hi": {
            "questions": [
                "{subject} शहर किस समय क्षेत्र में है?",
                "{subject} के स्थानीय समय का नाम क्या है?",
                "{subject} शहर में घड़ियाँ किस समय के अनुसार चलती हैं?",
            ],
            "answers": [
                "{subject} शहर जिस समय क्षेत्र में है, उसका नाम ‘{object}’ है।",
                "{subject} के स्थानीय समय का नाम ‘{object}’ है।",
                "{subject} शहर में घड़ियाँ ‘{object}’ के अनुसार चलती हैं।",
            ],
        },
        "ru": {
            "questions": [
                "В каком часовом поясе находится город {subject}?",
                "{subject}: к какому часовому поясу относится этот город?",
                "По какому часовому поясу живёт город {subject}?",
            ],
            "answers": [
                "Город {subject} находится в часовом поясе «{object}».",
                "{subject}: этот город относится к часовому поясу «{object}».",
                "Город {subject} живёт по часовому поясу «{object}».",
            ],
        },
        "th": {
            "questions": [
                "เมือง{subject}อยู่ในเขตเวลาใด",
                "เวลาท้องถิ่นของเมือง{subject}เรียกว่าอะไร",
                "นาฬิกาในเมือง{subject}ตั้งตามเวลาใด",
            ],
            "answers": [
                "เมือง{subject}อยู่ในเขตเวลาที่เรียกว่า “{object}”",
                "เวลาท้องถิ่นของเมือง{subject}เรียกว่า “{object}”",
                "นาฬิกาในเมือง{subject}ตั้งตาม{object}",
            ],
        },
        "tr": {
            "questions": [
                "{subject} şehri hangi saat diliminde bulunur?",
                "{subject} şehrinde yerel saat nasıl adlandırılır?",
                "{subject} hangi saat dilimini kullanır?",
            ],
            "answers": [
                "{subject} şehri “{object}” diliminde bulunur.",
                "{subject} şehrinde yerel saat “{object}” olarak adlandırılır.",
                "{subject} şu saat dilimini kullanır: {object}.",
            ],
        },
        "vi": {
            "questions": [
                "{subject} nằm trong múi giờ nào?",
                "Giờ địa phương ở {subject} gọi là gì?",
                "Người dân {subject} sinh hoạt theo múi giờ nào?",
            ],
            "answers": [
                "{subject} nằm trong múi giờ có tên là “{object}”.",
                "Giờ địa phương ở {subject} gọi là “{object}”.",
                "Người dân {subject} sinh hoạt theo múi giờ “{object}”.",
            ],
        },
        "zh": {
            "questions": [
                "{subject}这座城市属于哪个时区？",
                "{subject}的当地时间叫什么？",
                "{subject}居民的作息依照哪种时间？",
            ],
            "answers": [
                "{subject}这座城市所属的时区是{object}。",
                "{subject}的当地时间叫{object}。",
                "{subject}居民的作息依照{object}。",
            ],
        },
    },
}
