"""What presidio's own recognisers find, each kind asked for by itself and without a language model: {kind: texts} in, {kind: flags} out.

python peer_presidio.py ASKED.json
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

logging.disable(logging.CRITICAL)

from presidio_analyzer.predefined_recognizers import (  # noqa: E402
    CreditCardRecognizer,
    CryptoRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    UsSsnRecognizer,
)

REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR", "AU", "ES", "IT", "NL", "CH", "AT", "CN", "JP")
KINDS = {
    "EMAIL": (EmailRecognizer(), "EMAIL_ADDRESS"), "CARD": (CreditCardRecognizer(), "CREDIT_CARD"), "IBAN": (IbanRecognizer(), "IBAN_CODE"),
    "IP": (IpRecognizer(), "IP_ADDRESS"), "PHONE": (PhoneRecognizer(supported_regions=REGIONS), "PHONE_NUMBER"),
    "WALLET": (CryptoRecognizer(), "CRYPTO"), "SSN": (UsSsnRecognizer(), "US_SSN"),
}  # fmt: skip

told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
print(
    json.dumps(
        {
            kind: [bool(recognizer.analyze(text, [entity], None)) for text in told[kind]]
            for kind, (recognizer, entity) in KINDS.items()
            if kind in told
        }
    )
)
