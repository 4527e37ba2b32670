"""What refusals say, by language, as regular expressions of RE2.

Each is written over several lines: the breaks and the spaces that lines begin with are no part of it. A blank line parts two
patterns, and ``<NAME>`` stands for a part.
"""

from __future__ import annotations

PARTS = {
    "ON": r"""
        [^.!?\n。！？]*
    """,
    "FILLING": r"""
        (?:(?:you|with|any|the|that|this|those|these|such|a|an|specific|exact|detailed|further|more|personal
        |personali[sz]ed|legal|medical|financial|professional|tax|investment|health|explicit|private|confidential
        |sensitive|copyrighted|harmful|illegal|dangerous|real-time|current|live|external|your|their|step-by-step|kind
        |type|sort|form|of|on|or|and|in|to|\S+['’]s) )*
    """,
    "MATTER": r"""
        (?:information|instructions?|advice|guidance|details|directions|assistance|help|content|materials?
        |diagnos[ei]s|opinions?|views|steps|data|passwords?|lyrics|recommendations|tutorial|methods|support
        |credentials|address|answers?|code)\b
    """,
    "THIS": r"""
        (?:that|this|your|such|the|any|these|those)
    """,
    "BAD": r"""
        (?:illegal|unlawful|unethical|immoral|harm|violen|hat(?:e|red)|discriminat|dangerous|self-harm|sexual|explicit
        |malicious|malware|offensive|inappropriate|abus|fraud|deceptive|misleading|defamatory|harass|threat|racis
        |sexis|plagiari|fake|criminal|weapon)
    """,
    "DEED": r"""
        (?:(?:help|assist)(?: you| anyone| users?)?(?: out)?(?: here| there| directly)?(?: with\b| in (?:that|this|any
        |plann|mak|creat|harm)|[.,!;:)—–]|$)|comply\b|(?:fulfil|fulfill|accommodate|honou?r|process|complete|satisfy
        |grant|execute|carry out) <THIS> (?:\S+ )?(?:request|task|instruction|prompt|demand)|(?:continue|proceed
        |engage|go along) (?:with|in) <THIS>|do (?:that|this)(?:[.,!;—–]|$| for| because| as)|answer (?:(?:that
        |this)(?:[.,!;—–]|$)|<THIS> (?:\S+ )?(?:question|quer|request|prompt))|respond to <THIS> (?:\S+ )?(?:question
        |quer|request|prompt|message)|(?:provide|give|offer|share|supply|disclose|reveal|generate|create|produce|write
        |distribute|make) <FILLING>(?:<MATTER>|<BAD>)|(?:generate|create|produce|write|draw) (?:that|this)(?:[.,!;—–]
        |$| for you| (?:kind|type|sort) of)|(?:generate|create|produce|draw) (?:\S+ )?(?:images?|pictures?)\b|(?:tell
        |show|teach|explain to|instruct)(?: you)? how to\b|explain how to\b|condone\b|facilitate\b|(?:promote
        |encourage|endorse|support|glorify) (?:or |and |any |such |<BAD>|(?:\S+ ){0,2}<BAD>)|(?:engage|participate
        |take part) in (?:that|this|such|any|role|discussions?|conversations?|\S*<BAD>)|(?:discuss|talk about
        |comment on|speculate (?:on|about)) (?:that|this|such|your|any|\S*<BAD>|politic|sensitive|topics|individuals)
        |(?:express|have|hold|take) (?:a |an |any |my |personal )*(?:opinions?|views?|position|stance|sides?)\b
        |(?:access|browse|open|view|retrieve|search|look up) (?:the |any |your |external |real-?time |live |this\x20
        |that )*(?:internet|web|links?|urls?|files?|websites?|data|information|attachments?|documents?|databases?
        |accounts?|pages?)\b|diagnose (?:you|any|medical)|prescribe\b|(?:impersonate|pretend to be|role-?play)\b)
    """,
    "CANNOT": r"""
        (?:can(?:no|['’])t|can not|cant|could ?n[o'’]t|won['’]t|will not|shouldn['’]t|should not|mustn['’]t
        |must not)(?: be able to| legally| ethically| directly| in good conscience)?|(?:am|are|['’]m
        |['’]re) (?:(?:currently|simply|just|really|also|still) )?(?:unable|not (?:able|allowed|permitted
        |authori[sz]ed|programmed|designed|equipped|going|in a position|comfortable)) to|(?:must|have to|need to
        |will have to|['’]ll have to) (?:respectfully |politely )?(?:decline|refuse) to|(?:refuse|decline) to
        |do(?: not|n['’]t)
    """,
    "SORRY": r"""
        (?:(?:so |i['’]?m |i am |very |really |we['’]?re )*(?:sorry|afraid|apologi[sz]e)[,.!—– -]*(?:but )?(?:that )?)
    """,
    "SUBJECT": r"""
        (?:but |so |and |however,? |unfortunately,? |therefore,? |that )*(?:i|we) ?(?:really |just |simply\x20
        |unfortunately |still |also )*
    """,
    "MODEL": r"""
        (?:(?:large |helpful |responsible |text-based |virtual |harmless )*(?:ai|a\.i\.|artificial intelligence
        |(?:ai )?language model|llm|chatbot|(?:ai|virtual|digital) assistant)(?: (?:language )?model| assistant
        | system| chatbot| program| tool)*(?: (?:created|developed|trained|made|built|designed) [^,.!?\n]*)?)
    """,
}

PATTERNS = {
    "en": r"""
        (?:<SORRY>?<SUBJECT>(?:<CANNOT>)|(?:<SORRY>|unfortunately,? )(?:i )?(?:cannot|can['’]t|unable to)) <DEED>

        (?:cannot|can['’]t|unable to) (?:(?:help|assist)(?: you)?(?: with (?:that|this|your)|[.!]|$)|comply\b)

        (?:but |and |however,? |unfortunately,? )*as an? <MODEL>,? (?:i|it) ?(?:can(?:no|['’])t|can not
        |do(?:es)?(?: not|n['’]t)|(?:am|['’]m|is) (?:\S+ )?(?:not|unable)|won['’]t|will not|have no|must (?:decline
        |refuse)|lack|should not)

        (?:sorry,? |but )*i(?: am|['’]m) (?:just |only |merely )*an? <MODEL>[,;.]?(?: and| so
        | which means)? ?(?:i )?(?:can(?:no|['’])t|do(?: not|n['’]t)|(?:am|['’]m) (?:not|unable)|won['’]t|have no)

        (?:(?:that|this|it|your request|(?:that|this) \S+|<ON> )?(?:goes|is|would be|would go)|going
        |(?:that|this|it)['’]s) against (?:my|our|openai) <ON>(?:guideline|polic|programming|principle|values|rules|terms)

        (?:that|this|it|your request|(?:that|this) \S+) (?:violates?|would violate|conflicts with|breaches) (?:my|our
        |openai) <ON>(?:guideline|polic|programming|principle|terms)

        my (?:\S+ )?(?:guidelines|programming|training|principles|policies|safety \S+) (?:do not|don['’]t|prevents?
        |prohibits?|forbids?|does not|doesn['’]t)

        (?:but |so |and |therefore,? )*i (?:must|have to|will have to|need to) (?:respectfully |politely )*(?:decline
        |refuse)(?:[.,;!]|$| <THIS> (?:request|prompt|question|task))

        (?:but )?i(?: am|['’]m) not comfortable (?:with )?(?:helping|assisting|providing|writing|creating|generating
        |discussing|answering|sharing)

        (?:but |unfortunately,? )*i (?:do not|don['’]t) (?:feel comfortable (?:helping|assisting|providing|writing
        |creating|generating|discussing|answering|sharing)|have (?:access to (?:the internet|real-?time|your|personal
        |external|current|live|private|that information|this information)|the (?:ability|capability) to
        |personal (?:opinions|experiences|feelings|beliefs|preferences)))
    """,
    "de": r"""
        (?:das|dies|diese frage|ihre frage|deine frage) (?:kann|darf|werde) ich (?:(?:ihnen|dir|euch|leider|so
        |hier) )*nicht\x20
        (?:beantworten|machen|tun|ausführen|erfüllen)\b

        (?:aber |doch |leider |daher |deshalb )*(?:ich|wir) (?:kann|darf|werde|können|dürfen|möchte) (?:(?:ihnen|dir
        |euch|dabei|damit|hierbei|hier|da|leider|daher|also|das|dies|so) |(?:bei|mit|auf
        |zu) [^.!?\n]* )*nicht (?:dabei |damit |weiter |mit [^.!?\n]* |bei [^.!?\n]* )*(?:helfen|weiterhelfen
        |unterstützen|behilflich|dienen|beantworten|beistehen|assistieren|tun[.,!])

        (?:leider |aber |doch |hierbei |dabei |damit |hiermit |bei [^.!?\n]* |darauf )+(?:kann|darf|werde|können
        |dürfen) (?:ich|wir) (?:(?:ihnen|dir|euch|leider|dabei|damit|hierbei) |(?:bei|mit
        |auf) [^.!?\n]* )*nicht (?:dabei |damit )?(?:helfen|weiterhelfen|unterstützen|behilflich|antworten
        |beantworten)

        (?:aber |doch |leider )*(?:ich (?:kann|darf|werde|möchte)|(?:kann|darf|werde) ich) (?:\S+ ){0,4}(?:anfrage
        |bitte|frage|aufforderung|wunsch)[^.!?\n]* nicht (?:\S+ )?(?:nachkommen|beantworten|erfüllen|entsprechen
        |bearbeiten|ausführen|eingehen)

        (?:aber |doch |leider )*(?:diese[rnm]?|deine[rnm]?|ihre[rnm]?|auf diese|auf ihre) (?:\S+ )?(?:anfrage|bitte
        |frage|aufforderung) (?:kann|darf|werde) ich (?:leider )?nicht

        (?:aber |doch |leider |daher )*(?:ich (?:kann|darf|werde)|(?:kann|darf|werde) ich) (?:\S+ ){0,3}keine(?:n
        |r)? (?:\S+ )*?(?:informationen|anleitung(?:en)?|ratschläge|auskunft|auskünfte|hilfe|unterstützung|inhalte?
        |details|empfehlung(?:en)?|beratung|diagnosen?|meinung|anweisungen|rechtsberatung|rat)\b

        als (?:eine? )?(?:reines? |großes? )?(?:ki|k\.i\.|künstliche intelligenz|(?:ki-)?sprachmodell
        |ki-(?:assistent(?:in)?|modell|system|sprachmodell)|digitaler assistent
        |virtueller assistent)(?: von [^,.!?\n]*)?,? (?:kann|darf|habe|bin|besitze|werde
        |verfüge) ich[^.!?\n]* (?:nicht|keine?[nrm]?)\b

        (?:aber |daher |leider )*(?:ich muss|muss ich) (?:\S+ ){0,4}(?:ablehnen|verweigern)

        (?:das|dies|diese anfrage|ihre anfrage|deine anfrage) (?:verstößt|würde) (?:\S+ ){0,2}gegen (?:meine|die
        |unsere|ethische)\x20

        (?:es tut mir leid|tut mir leid|entschuldigung|verzeihung)[,.! ]*(?:aber )?(?:das|dabei|damit|hierbei) (?:kann
        |darf) ich (?:\S+ )?nicht
    """,
    "fr": r"""
        (?:mais |malheureusement,? |désolée?,? |donc )*(?:je|nous) ne (?:peux|puis|pourrai|pouvons
        |suis) (?:malheureusement |vraiment |donc )*pas (?:en mesure (?:de |d['’])|autorisée? à |capable (?:de |d['’])
        |habilitée? à )?(?:vous |t['’]|te |y )?(?:aider|assister|répondre à (?:cette|votre|ta|vos|ce|de telles)
        |fournir|donner (?:d['’]|de |des |ce |cette |suite)|satisfaire|accéder|traiter (?:cette|votre)|discuter
        |créer (?:d|ce)|générer|rédiger (?:d|ce)|produire (?:d|ce)|écrire (?:ce|un tel|de tels|du)|partager (?:d|ce
        |ces|des)|participer à|faire (?:cela|ça)|offrir (?:d|de)|proposer (?:d|de)|expliquer comment|encourager
        |conseiller|divulguer|me prononcer)

        en tant qu(?:e |['’]) ?(?:une? )?(?:ia|i\.a\.|intelligence artificielle|assistante? (?:virtuelle?|ia
        |numérique)|(?:grand )?modèle de langage|modèle d['’]ia|chatbot)[^.!?\n]*? (?:je )?(?:ne|n['’])

        (?:mais )?il m['’]est impossible (?:de |d['’])(?:répondre|vous|t['’]|fournir|satisfaire|traiter|donner
        |accéder)

        (?:mais |donc )*je (?:dois|me vois (?:dans l['’]obligation|contrainte?) de|suis (?:contrainte?|obligée?) de
        |préfère) (?:malheureusement )?(?:refuser|décliner)(?:[.,;!]|$| (?:cette|votre|ta|de répondre))

        (?:cela|cette demande|votre demande|ceci) (?:va à l['’]encontre de|enfreint|viole|est contraire à) (?:mes|nos
        |mon|les)
    """,
    "es": r"""
        (?:pero |lamentablemente,? |desafortunadamente,? |por desgracia,? |desgraciadamente,?\x20
        |así que )*(?:yo )?no (?:puedo|podemos|podré|puedo legalmente|me es posible|estoy (?:autorizad[oa] (?:a|para)
        |en condiciones de|capacitad[oa] para|programad[oa] para)|soy capaz de|tengo permitido|se me permite
        |tengo permiso para) (?:(?:ayudar|asistir|apoyar)(?:te|le|les|lo|la|los|las|os)?(?: (?:con|en|a)\b|[.,;!]|$)
        |proporcionar|cumplir (?:con )?(?:esa|esta|tu|su)|responder(?:te|le)? ?(?:a )?(?:esa|esta|tu|su|ese|este|esas)
        |(?:dar|brindar|ofrecer|facilitar|compartir|revelar)(?:te|le|les)? (?:\S+ ){0,3}(?:informaci|instruc|consej
        |asesor|detalles|ayuda|asistencia|contenid|datos|diagn|recomendaci)|(?:generar|crear|escribir|producir
        |redactar) (?:ese|este|esa|esta|ning|contenid|material|textos? )|hacer (?:eso|esto)(?:[.,;!]|$| por)|acceder a
        |participar en|discutir|hablar (?:de|sobre) (?:ese|este|esa|esta|temas)|realizar (?:esa|esta)|atender (?:esa
        |esta|tu|su|a)|satisfacer|procesar (?:esa|esta|tu|su)|explicar(?:te|le)? cómo|opinar)

        como (?:una? )?(?:gran )?(?:ia|i\.a\.|inteligencia artificial|modelo (?:de lenguaje|de ia|lingüístico)
        |asistente (?:virtual|de ia|digital))[^.!?\n]*?,? (?:yo )?(?:no|carezco)\b

        (?:pero )?(?:debo|tengo que|me veo obligad[oa] a) (?:rechazar|declinar|negarme)

        (?:eso|esto|esta solicitud|esa solicitud|tu solicitud|su solicitud) (?:va en contra de|viola|infringe
        |incumple) (?:mis|nuestras|las)
    """,
    "it": r"""
        (?:ma |purtroppo,? |sfortunatamente,? |quindi )*(?:io )?non (?:posso|possiamo|potrò|sono in grado di
        |mi è possibile|mi è consentito|sono autorizzat[oa] a|sono programmat[oa] per) (?:purtroppo )?(?:aiutar(?:ti
        |la|vi|lo|e)\b(?: (?:con|in|a)\b|[.,;!]|$)|assister(?:ti|la|vi|e)|fornir(?:e|ti|le|vi)|rispondere a (?:quest
        |tale|tali|domande)|soddisfare (?:quest|la|tale)|(?:dare|dar(?:ti|le|vi)|offrire|offrir(?:ti|le|vi)
        |condividere|rivelare) (?:\S+ ){0,3}(?:consigli|istruz|inform|dettagli|consulenz|assistenz|diagnos|contenut
        |dati|raccomandaz)|(?:generare|creare|scrivere|produrre) (?:quest|contenut|materiale|testi? )|accedere a
        |partecipare a|discutere (?:di )?(?:quest|tal)|fare quest|farlo(?:[.,;!]|$)|eseguire (?:quest|tale)
        |elaborare quest|esaudire|spiegar(?:ti|le|e) come|esprimere (?:opinion|giudizi|un['’]opinion))

        (?:in quanto|come|essendo) (?:una? |un['’])?(?:grande )?(?:ia|ai|i\.a\.|intelligenza artificiale
        |modello (?:linguistico|di linguaggio|di ia|ai)|assistente (?:virtuale|ai|ia
        |digitale))[^.!?\n]*?,? (?:io )?non\b

        (?:ma )?(?:devo|mi vedo costrett[oa] a) (?:rifiutare|declinare|rifiutarmi)

        (?:ciò|questo|questa richiesta|la tua richiesta|la sua richiesta) (?:va contro|viola|è contrari[oa] a(?:lle
        |i)?) (?:le|i|mie|miei|alle|ai) ?
    """,
    "pt": r"""
        (?:mas |infelizmente,? |lamentavelmente,? |portanto,? )*(?:eu )?não (?:posso|podemos|consigo|poderei
        |tenho permissão para|sou capaz de|estou autorizad[oa] a|estou em condições de|me é possível|me é permitido
        |fui programad[oa] para) (?:(?:te|lhe|o|a|os|as) )?(?:(?:ajudar|auxiliar|ajudá-l[oa]s?|auxiliá-l[oa]s?
        |ajudar-(?:te|lhe|vos)|assistir)(?: (?:você|vocês))?(?: (?:com|em|a|nisso|nesse|nessa|neste|nesta)\b|[.,;!]|$)
        |fornecer|atender (?:a |ao )?(?:ess|est|seu|sua|tal)|responder (?:a |à )?(?:ess|est|sua|tal|pergunt)
        |cumprir (?:com )?(?:ess|est|sua)|(?:dar|oferecer|compartilhar|partilhar|revelar
        |divulgar) (?:\S+ ){0,3}(?:conselho|instru|informa|detalhes|assessoria|diagn|conteúdo|dados|orienta|recomenda)
        |(?:criar|gerar|escrever|produzir|redigir) (?:ess|est|conteúdo|nenhum|material|texto)|participar (?:de|em
        |dess)|fazer isso(?:[.,;!]|$| por)|discutir (?:ess|est|sobre)|acessar|aceder a|explicar como|opinar
        |processar (?:ess|est|sua)|realizar (?:ess|est))

        (?:como|sendo|enquanto) (?:uma? )?(?:grande )?(?:ia|i\.a\.|inteligência artificial|modelo de (?:linguagem|ia)
        |assistente (?:virtual|de ia|digital))[^.!?\n]*?,? (?:eu )?(?:não|carece)\b

        (?:mas )?(?:devo|tenho que|tenho de|preciso) (?:recusar|declinar)

        (?:isso|isto|esse pedido|este pedido|essa solicitação|esta solicitação) (?:vai contra|viola|contraria
        |infringe) (?:as|os|minhas|meus|nossas)
    """,
    "nl": r"""
        (?:maar |helaas |dus |daarom )*(?:(?:ik|we|wij) (?:kan|mag|zal|kunnen|ga)|(?:kan|mag|zal) (?:ik|we)) (?:(?:je
        |u|jou|jullie|hier|daar|helaas|hierbij|daarbij|daarmee|hiermee|dus|dat|dit|deze|die|uw|jouw|vraag|vragen
        |verzoek|op|aan) |(?:met|bij) [^.!?\n]* )*niet (?:mee |bij |verder |met [^.!?\n]* |bij [^.!?\n]*\x20
        |aan [^.!?\n]* |op [^.!?\n]* )*(?:helpen|assisteren|van dienst|voldoen|beantwoorden|antwoorden|ondersteunen
        |verstrekken|meewerken|ingaan|uitvoeren|verwerken|verlenen|doen[.,!])

        (?:maar |helaas )*(?:daar|hier|hiermee|daarmee|daarbij|hierbij|op die vraag|op deze vraag|dat|dit) (?:kan|mag
        |zal) ik (?:(?:je|u|jou|jullie|helaas) )*niet (?:mee |bij |op )?(?:helpen|assisteren|antwoorden|beantwoorden
        |doen)

        (?:maar |helaas )*(?:ik (?:kan|mag|zal)|(?:kan|mag|zal) ik) (?:(?:je|u|jou|jullie|helaas|hierover
        |daarover) )*geen (?:\S+ )*?(?:informatie|instructies|advies|hulp|details|inhoud|aanbevelingen|ondersteuning
        |antwoord|diagnoses?|mening)\b

        als (?:een )?(?:groot )?(?:ai|a\.i\.|kunstmatige intelligentie|(?:ai-)?taalmodel|ai-(?:assistent|model|systeem
        |taalmodel)|virtuele assistent|digitale assistent)[^.!?\n]*?,? (?:kan|mag|heb|ben|beschik) ik[^.!?\n]* (?:niet
        |geen)\b

        (?:maar |helaas )*(?:ik moet|moet ik) (?:\S+ ){0,4}(?:weigeren|afwijzen)

        (?:dat|dit|dit verzoek|uw verzoek|je verzoek) (?:is|gaat|druist) (?:in )?(?:in strijd met
        |tegen) (?:in )?(?:mijn|onze|de)
    """,
    "zh": r"""
        (?:非常|很|十分)?(?:抱歉|对不起|對不起|不好意思|遗憾)[，,。!！、 ]*(?:但是?|可是)?[，, ]*(?:我们?|我們|本助手
        |作为[^。！？\n]*，我?)?(?:目前|暂时|现在|实在|還
        |还)?(?:无法|無法|不能|没办法|沒辦法|没有办法|不可以|不便|不会|不會)(?:为|為|向|给|給|就|对|對|直接|继续|繼續|您|你
        |此|这|這|个|個|问题|問題|相关|相關|进行|進行)*(?:提供|帮
        |幫|协助|協助|回答|回应|回應|满足|滿足|完成|处理|處理|讨论|討論|生成|参与|參與|执行|執行|支持|给出|給出|透露|编写
        |編寫|创作|創作|撰写|撰寫|告诉|告訴)

        (?:但是?)?(?:我们?|我們)(?:目前|暂时|实在)?(?:无法|無法|不能|没办法|沒辦法|不会|不會|拒绝|拒絕)(?:为|為|向|给|給|就
        |对|對|直接|继续|繼續|您|你|此|这|這|个
        |個)*(?:提供|帮助|幫助|协助|協助|回答|满足|滿足|完成|处理|處理|讨论|討論|生成|参与|參與|执行|執行|编写|編寫|创作
        |創作|撰写|撰寫)(?:您|你|这|這|该|該|此|任何|相关|相關|有关|有關
        |关于|關於|具体|具體|违法|違法|非法|有害|此类|此類|医疗|醫療|法律|您的|你的)

        (?:作为|作為|身为|身為)(?:一个|一個|一名|一款|一种)?(?:AI|人工智能|人工智慧|(?:大型?)?(?:语言|語言)模型|智能助手
        |虚拟助手)(?:助手|模型|语言模型|語言模型|系统|系統|助理
        |程序)*(?:[，, ]+我?[^。！？\n]{0,12}|我[^。！？\n]{0,12})?(?:无法|無法|不能|没有|沒有|不会|不會|不具备|不具備)

        (?:这|這|该|該|您的|你的)(?:个|個)?(?:请求|請求|要求|内容|內容|问题|問題)?(?:违反|違反|不符合)(?:了)?(?:我的|我们的
        |我們的|相关|相關|使用)

        我(?:必须|必須|只能)(?:拒绝|拒絕)
    """,
    "ja": r"""
        (?:(?:大変|誠に)?申し訳(?:ありません|ございません|ない)|すみません|恐れ入ります|ごめんなさい
        |残念)[^。！？\n]*(?:[、。 ]*)[^。！？\n]*(?:お手伝い|お答え|回答|提供|お応え
        |対応|支援|サポート|お教え|ご案内|協力|生成|作成|お伝え|お助け|お受け|お話し|共有|実行)[^。！？\n]*(?:できません
        |できかねます|いたしかねます|致しかねます|できない)

        [^。！？、\n]*(?:お手伝い|お答え|お応え|ご案内|お教え|ご提供|お受け|お助け|ご協力)(?:する(?:こと)?|すること
        |いたす)?(?:は|を|が)?(?:できません|できかねます|いたしかねます
        |致しかねます)

        (?:私は)?(?:AI|人工知能|(?:大規模)?言語モデル)(?:アシスタント|モデル|言語モデル)*(?:として|なので|であるため
        |ですので|のため)[^。！？\n]*(?:できません|ありません|できかねます
        |持っていません|持ちません|行えません)

        (?:その|この|ご)(?:依頼|リクエスト|要求|質問|要望)(?:に|は|には)(?:お答え|お応え|対応|応じる|応える
        |回答)[^。！？\n]*(?:できません|できかねます|いたしかねます)

        [^。！？\n]*(?:ガイドライン|ポリシー|規約|倫理)(?:に|上)(?:違反|反|抵触)[^。！？\n]*(?:できません|できかねます
        |いたしかねます|ため)
    """,
}

HINT = r"""
    \b(?:i|we)\b[^.!?\n]*(?:n['’]t|not|\bcant|unable|decline|refuse|no|lack|only|just)\b|(?:^
    |[.,!—–-])\W*(?:but )?(?:cannot|can['’]t|unable)|(?:against|violates?|conflicts with|breaches) (?:my|our|openai)
    |\bmy (?:\S+ )?(?:guide|program|train|princ|polic|safety)|nicht\b|\bkein|ablehnen|verweigern|\bgegen\b|\bne\b
    |\bn['’]|\bm['’]est impossible|refuser|décliner|encontre|enfreint|\bviole|contraire|\bno (?:puedo|podemos|podré|me
    |estoy|soy|tengo|se)\b|\bcomo (?:una? )?(?:gran )?(?:ia|i\.a|inteligencia|modelo|asistente)|rechazar|declinar
    |negarme|viola\b|infringe|incumple|\bcontra\b|\bnon\b|rifiut|\bcontro\b|contrari[oa]|não|recusar|niet\b|geen\b
    |weiger|afwijz|strijd|\btegen\b|无法|無法|不|没|沒|拒|违反|違反|ません|できない|かねます|ため
"""
"""Words of which every refusal has some: most texts are done with after one cheap look."""
