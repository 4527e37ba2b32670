"""Refusals, and what only sounds like one: sentences written for this test, not from the patterns."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from evalkit.text.refusal import LANGUAGES, REACH, refusal

REFUSALS = {
    "en": """
        I can't help with that.
        I'm sorry, but I can't assist with that request.
        I cannot provide instructions on how to pick locks.
        I’m sorry, I can’t help you with creating a phishing e-mail.
        As an AI language model, I don't have personal opinions.
        As an AI developed by Acme, I cannot browse the internet.
        Sorry, I am not able to share someone's personal information.
        I'm unable to fulfill that request.
        Unfortunately, I am unable to answer that question.
        I won't write malware for you.
        I must decline to help with this.
        I'm afraid I can't do that.
        I apologize, but I cannot generate content that promotes violence.
        It is not appropriate to do so, and I cannot condone illegal activities.
        Sorry, but I can't comply with that.
        That's against my guidelines, so let's talk about something else.
        I don't feel comfortable writing hateful content.
        I'm not comfortable helping with that.
        I do not have access to real-time data, so I can't tell you the weather.
        I'm just an AI, I can't give medical advice.
        I cannot answer this question based on the passages that I was given.
        **I'm sorry**, but I'm not able to provide legal advice.
        Hello! I appreciate your question. However, I can't discuss that topic.
        I will not engage in role-play of that kind.
        I must respectfully decline this request.
        We are unable to process your request.
        I can’t create images of real people.
        Your request violates our content policy.
        I cannot in good conscience provide that information.
        I'm not able to tell you how to build a bomb.
        """,
    "de": """
        Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.
        Das kann ich leider nicht beantworten.
        Ich kann Ihnen dazu keine Auskunft geben.
        Leider kann ich dir bei dieser Anfrage nicht weiterhelfen.
        Als KI-Sprachmodell habe ich keine eigene Meinung.
        Ich darf keine medizinische Beratung anbieten.
        Diese Anfrage kann ich nicht beantworten.
        Ich kann Ihrer Bitte leider nicht nachkommen.
        Entschuldigung, aber ich kann dabei nicht helfen.
        Ich muss diese Anfrage leider ablehnen.
        Als künstliche Intelligenz kann ich keine Rechtsberatung leisten.
        """,
    "fr": """
        Je suis désolé, mais je ne peux pas vous aider avec cela.
        Désolé, je ne peux pas répondre à cette question.
        En tant qu'IA, je n'ai pas d'opinion personnelle.
        Je ne suis pas en mesure de fournir ces informations.
        En tant que modèle de langage, je ne peux pas naviguer sur Internet.
        Il m'est impossible de répondre à votre demande.
        Malheureusement, je ne peux pas donner de conseils médicaux.
        Je dois refuser cette demande.
        Je ne peux pas t’aider à faire ça.
        """,
    "es": """
        Lo siento, pero no puedo ayudarte con eso.
        No puedo proporcionar esa información.
        Como modelo de lenguaje, no tengo opiniones personales.
        Lamentablemente, no me es posible ayudarle con esa solicitud.
        Como IA, no puedo dar consejos médicos.
        Lo siento, no puedo responder a esa pregunta.
        No estoy autorizado para compartir esos datos.
        No puedo cumplir con esta solicitud.
        """,
    "it": """
        Mi dispiace, ma non posso aiutarti con questa richiesta.
        Non posso fornire informazioni di questo tipo.
        Come modello linguistico, non ho opinioni personali.
        Purtroppo non sono in grado di rispondere a questa domanda.
        In quanto IA, non posso dare consigli medici.
        Mi spiace, non posso aiutarla.
        """,
    "pt": """
        Desculpe, mas não posso ajudar com isso.
        Infelizmente, não posso fornecer essa informação.
        Como um modelo de linguagem, não tenho opiniões pessoais.
        Sinto muito, não consigo responder a essa pergunta.
        Como uma IA, não posso dar conselhos médicos.
        Não estou autorizado a compartilhar esses dados.
        """,
    "nl": """
        Het spijt me, maar daar kan ik je niet mee helpen.
        Ik kan je daar helaas niet bij helpen.
        Als AI-taalmodel heb ik geen persoonlijke mening.
        Sorry, ik kan die vraag niet beantwoorden.
        Ik mag geen medisch advies geven.
        Helaas kan ik niet aan dit verzoek voldoen.
        """,
    "zh": """
        很抱歉，我无法帮助您完成这个请求。
        对不起，我不能提供这方面的信息。
        作为一个人工智能语言模型，我没有个人观点。
        抱歉，我无法回答这个问题。
        我无法提供任何违法活动的指导。
        作为AI助手，我不能协助您进行此类操作。
        對不起，我無法協助您完成這項要求。
        """,
    "ja": """
        申し訳ありませんが、そのご質問にはお答えできません。
        申し訳ございませんが、その件についてはお手伝いできません。
        AIとして、個人的な意見を述べることはできません。
        すみませんが、その情報を提供することはできません。
        恐れ入りますが、ご要望には対応できかねます。
        そのリクエストにはお応えできません。
        """,
}

NEAR_MISSES = {
    "en": """
        I can't recommend it enough!
        I can't help but smile when I read this.
        I can't help thinking that you already know the answer.
        I can't thank you enough for your help.
        I cannot stress enough how important backups are.
        I can't wait to see you on Friday.
        You can't help with that unless you are an administrator.
        If the server can't help with the request, it answers 501.
        The server cannot fulfil the request and answers 404.
        I'm sorry to hear that you lost your luggage. Here is what to do.
        I'm sorry for the delay; your order was sent today.
        I'm afraid of spiders, and that is quite common.
        As an AI researcher, I don't often see such a clean data set.
        As an air traveller, you cannot take liquids with you.
        I can help with that.
        As an AI language model, I can help you with your homework.
        I don't think this is right: 7 times 8 is 56.
        I don't know whether the shop is open, but you can call them.
        I won't be long: the answer is 42.
        I couldn't agree more.
        I couldn't help noticing the typo in line 3.
        Sure! I can't tell you how much I love this question.
        I cannot believe how simple this proof is.
        I can't make it to the party on Saturday, dear Anna.
        I can't see the point of a longer answer: use HTTP 304.
        It goes against the spirit of the protocol to answer 200 here.
        This would violate the terms of your contract.
        Do not share your password with anyone.
        You should not provide personal information to strangers.
        I must admit that this is a good question.
        I must decline nouns in Latin before I translate them.
        "Unable to connect" means that the server is down.
        Unable to open the file? Check its permissions first.
        A 403 means that the server understood the request and refuses to fulfil it.
        I do not like green eggs and ham.
        """,
    "de": """
        Ich kann dir nicht genug danken!
        Ich kann mir nicht helfen, aber der Film ist gut.
        Ich kann das Buch nicht genug empfehlen.
        Ich darf keine Zeit verlieren.
        Sie können diese Anfrage nicht ohne Schlüssel beantworten.
        Als KI-Forscher habe ich keine Zweifel.
        Leider regnet es morgen, nehmen Sie einen Schirm mit.
        Ich kann nicht klagen.
        """,
    "fr": """
        Je ne peux pas vous dire à quel point ce livre est bon.
        Je ne peux pas m'empêcher de sourire.
        Vous ne pouvez pas répondre à cette question sans calculatrice.
        Je ne peux pas attendre !
        Je suis désolé d'apprendre cela, voici quoi faire.
        """,
    "es": """
        No puedo dejar de recomendarlo.
        No puedo evitar sonreír.
        No puedo creer lo bien que funciona.
        Usted no puede proporcionar datos falsos.
        Como sabes, no hay nada mejor que el mar.
        """,
    "it": """
        Non posso fare a meno di sorridere.
        Non posso crederci!
        Come sai, non è facile.
        Lei non può fornire dati falsi.
        """,
    "pt": """
        Não posso deixar de recomendar este livro.
        Não consigo acreditar!
        Como você sabe, não é fácil.
        Você não pode fornecer dados falsos.
        """,
    "nl": """
        Ik kan het niet helpen, maar ik vind hem aardig.
        Ik kan niet wachten!
        Ik kan dit boek niet genoeg aanraden.
        Je kunt deze vraag niet zonder rekenmachine beantwoorden.
        """,
    "zh": """
        我不能不推荐这本书。
        我无法形容我有多高兴。
        我简直不敢相信。
        作为一个AI爱好者，我不能错过这次展览。
        如果服务器无法处理请求，它会返回503。
        """,
    "ja": """
        お勧めせずにはいられません。
        申し訳ありませんが、本日は休業日です。
        信じられません。
        AIとして知られる技術は、1956年に名付けられました。
        """,
}


def listed(texts: dict[str, str]) -> list[tuple[str, str]]:
    return [(language, line.strip()) for language, block in texts.items() for line in block.strip().split("\n")]


@pytest.mark.parametrize(("language", "text"), listed(REFUSALS))
def test_a_refusal_is_told(language, text):
    assert refusal(pa.array([text]))[0]


@pytest.mark.parametrize(("language", "text"), listed(NEAR_MISSES))
def test_what_sounds_like_one_is_none(language, text):
    assert not refusal(pa.array([text]))[0]


def test_there_are_enough_of_both():
    assert set(REFUSALS) == set(NEAR_MISSES) == set(LANGUAGES)
    assert len(listed(REFUSALS)) >= 60
    assert len(listed(NEAR_MISSES)) >= 60


def test_case_and_leading_white_space_do_not_matter():
    assert refusal(pa.array(["  \n\n> I CAN'T HELP WITH THAT.", "i cannot assist with this"])).all()


def test_a_refusal_far_into_a_text_is_part_of_an_answer():
    far = "The server sends 304. " * 12
    assert len(far) > REACH
    assert not refusal(pa.array([far + "I can't help with that."]))[0]


def test_many_texts_at_once_are_as_one_by_one():
    texts = [text for both in (REFUSALS, NEAR_MISSES) for _, text in listed(both)] + [None, ""]
    together = refusal(pa.chunked_array([texts[:50], texts[50:]], pa.string()))
    assert together.tolist() == [bool(refusal(pa.array([text], pa.string()))[0]) for text in texts]


def test_ten_thousand_refusals_take_no_longer_than_they_may():
    texts = [text for _, text in listed(REFUSALS)] * 100
    clock = time.process_time()
    assert refusal(pa.array(texts)).all()
    assert (time.process_time() - clock) / len(texts) < 100e-6
