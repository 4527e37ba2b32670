"""Alerts as mail, by SMTP."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import ClassVar

from evalkit.core.errors import quote
from evalkit.core.registry import sink
from evalkit.core.secret import scrubbed, secret
from evalkit.core.sink import Because, NotDelivered
from evalkit.core.watched import Alert
from evalkit.monitor.sinks.webhook import message_id
from evalkit.monitor.wording import EXAMPLES, Told, html, plain, told
from evalkit.reports.safe import one_line, shortened

LONGEST_SUBJECT = 180
_log = logging.getLogger("evalkit.monitor")
_HERE = ("localhost", "127.0.0.1", "::1")


@sink("email")
@dataclass(frozen=True)
class Email:
    """A mail per batch, in plain text and HTML.

    Its Message-ID follows from the alerts' ids, so that mail systems drop what comes twice; what opens an incident and what
    closes it stand in one thread.
    """

    at_once: ClassVar[int] = 20
    aliases: ClassVar[dict[str, str]] = {"from": "sender"}

    host: str
    sender: str  # also written `from`
    to: str | tuple[str, ...]
    port: int | None = None  # by default 587 with starttls, 465 with tls, 25 without
    starttls: bool = True  # encrypt before anything is said
    tls: bool = False  # encrypted from the first byte; instead of starttls
    username_env: str | None = None  # the variables that hold the login
    password_env: str | None = None
    timeout_s: float = 20.0
    examples: int = EXAMPLES  # rows that an alert shows; 0 keeps them here

    def __post_init__(self) -> None:
        if self.timeout_s <= 0 or not 0 <= self.examples <= EXAMPLES:
            raise ValueError(f"timeout_s is more than 0, and examples are from 0 to {EXAMPLES}")
        if self.port is not None and not 0 < self.port < 65_536:
            raise ValueError("port is from 1 to 65535")
        if (self.username_env is None) != (self.password_env is None):
            raise ValueError("username_env and password_env belong together")
        if self.username_env and not (self.tls or self.starttls or self.host in _HERE):
            raise ValueError("the password would travel in the clear; set starttls or tls")
        if not self.recipients:
            raise ValueError("to is empty")
        for address in (self.sender, *self.recipients):
            _check_address(address)

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody who gets it."""
        return (self.to,) if isinstance(self.to, str) else self.to

    def verify(self) -> None:
        """Whether the variables hold what can be sent; raises `ValueError`."""
        for variable in filter(None, (self.username_env, self.password_env)):
            value = secret(variable)
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the variable {variable} holds signs that no login holds")

    async def send(self, alerts: Sequence[Alert]) -> None:
        """All of them in one mail."""
        await asyncio.to_thread(self._hand_over, self.mail(alerts))

    def mail(self, alerts: Sequence[Alert]) -> EmailMessage:
        """The mail."""
        pieces = [told(alert, self.examples) for alert in alerts]
        domain = self.sender.rpartition("@")[2]
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Subject"] = _subject(pieces)
        mail["Date"] = formatdate()
        mail["Message-ID"] = f"<{message_id([alert.id for alert in alerts])}@{domain}>"
        mail["References"] = " ".join(dict.fromkeys(f"<{_digest(alert.incident.id)}.incident@{domain}>" for alert in alerts))
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Evalkit-Alerts"] = " ".join(_digest(alert.id) for alert in alerts)
        mail.set_content("\n\n".join(map(plain, pieces)) + "\n")
        parts = '<hr style="border:0;border-top:1px solid #d0d7de;margin:16px 0">'.join(map(html, pieces))
        style = "font:14px/1.5 -apple-system,Segoe UI,Roboto,sans-serif;overflow-wrap:anywhere"
        mail.add_alternative(f'<!doctype html><html><body style="{style}">{parts}</body></html>\n', subtype="html")
        return mail

    def _hand_over(self, mail: EmailMessage) -> None:
        """Give the mail to the server, in a thread of its own."""
        try:
            with self._connection() as server:
                if self.username_env and self.password_env:
                    server.login(secret(self.username_env), secret(self.password_env))
                refused = server.send_message(mail, self.sender, self.recipients)
            if refused:  # the others have it: sending again would tell them twice
                _log.warning(
                    "the mail server %s took %d of the recipients, and not all", self.host, len(self.recipients) - len(refused)
                )
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise self._failed("takes none of the recipients", code, said) from None
        except smtplib.SMTPAuthenticationError as error:
            raise self._failed("refused the login", error.smtp_code, error.smtp_error, "refused") from None
        except smtplib.SMTPSenderRefused as error:
            raise self._failed("refused the sender", error.smtp_code, error.smtp_error, "refused") from None
        except smtplib.SMTPDataError as error:
            raise self._failed("refused the mail", error.smtp_code, error.smtp_error, "content") from None
        except smtplib.SMTPNotSupportedError:
            raise NotDelivered(f"the mail server {self.host} offers no such login or encryption", "refused") from None
        except ssl.SSLError as error:
            raise NotDelivered(
                f"the mail server {self.host} cannot be trusted or understood ({error.reason})", "refused"
            ) from None
        except smtplib.SMTPResponseException as error:
            raise self._failed("does not talk to us", error.smtp_code, error.smtp_error, "refused") from None
        except (smtplib.SMTPException, OSError) as error:
            if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
                cause = "timed out"  # smtplib tells a silent server as one that hung up
            elif isinstance(error, smtplib.SMTPServerDisconnected):
                cause = "it hung up"
            else:
                cause = getattr(error, "strerror", None) or type(error).__name__
            raise NotDelivered(f"the mail server {self.host} cannot be reached ({scrubbed(cause, self).lower()})") from None

    def _connection(self) -> smtplib.SMTP:
        context = ssl.create_default_context() if self.tls or self.starttls else None
        if self.tls:
            return smtplib.SMTP_SSL(self.host, self.port or 465, timeout=self.timeout_s, context=context)
        server = smtplib.SMTP(self.host, self.port or (587 if self.starttls else 25), timeout=self.timeout_s)
        try:
            if self.starttls:
                server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server

    def _failed(self, what: str, code: int, said: bytes | str, lasting: Because = "content") -> NotDelivered:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        shown = scrubbed(one_line(text, 200), self)
        because: Because = "passing" if code < 500 else lasting
        return NotDelivered(f"the mail server {self.host} {what} ({code}: {shown})", because)


def _subject(pieces: Sequence[Told]) -> str:
    first = pieces[0]
    more = f" (and {len(pieces) - 1} more)" if len(pieces) > 1 else ""
    return shortened(f"[{first.state}] {one_line(first.title)}", LONGEST_SUBJECT - len(more)) + more


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _check_address(address: str) -> None:
    try:
        fine = bool(Address(addr_spec=address).domain) and address.isascii() and address.isprintable()
    except (ValueError, IndexError, TypeError):
        fine = False
    if not fine or any(sign in address for sign in " ,;<>\"'"):
        raise ValueError(f"{quote(address)} is no address of mail")
