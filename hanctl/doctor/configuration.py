"""Check the configuration and the secrets it names, by reading them as the hub does."""

from __future__ import annotations

from pathlib import Path

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.config.sections import Config
from hanctl.doctor.finding import Finding, fail, failed, ok, warn
from hanctl.trust.hub_certificate import load_hub_credentials
from hanctl.webhook.webhook import read_secret


def judge_webhook(config: Config) -> list[Finding]:
    """Judge whether the webhook's secret can be used; nothing if there is no webhook."""
    if config.webhook is None:
        return []
    try:
        read_secret(config.webhook.secret_file)
    except HanctlError as error:
        return [failed("webhook", error)]
    return [ok("webhook", f"the secret for {config.webhook.url} is there, for its owner alone")]


def judge_certificate(config: Config, dongle: Eui64 | None) -> Finding:
    """Judge whether the hub's certificate can be used with this dongle; None: the dongle is not known."""
    if config.trust is None:
        return ok("certificate", "none is configured: devices keep the keys of their install codes")
    try:
        credentials = load_hub_credentials(config.trust.certificate)
    except HanctlError as error:
        return failed("certificate", error)
    subject = credentials[0].subject
    suites = " and ".join(str(each.suite.number) for each in credentials)
    if dongle is None:
        return warn(
            "certificate",
            f"of suite {suites}, for {subject}; whether that is the dongle could not be seen",
            "see what is said of the dongle",
        )
    if subject != dongle:
        return fail(
            "certificate",
            f"it is for {subject}, but the dongle is {dongle}: devices would refuse it",
            f"get a certificate for {dongle}, or use the dongle {subject} ([trust] certificate)",
        )
    return ok("certificate", f"of suite {suites}, for this dongle; its key is for its owner alone")


def judge_socket(socket: Path, answers: bool) -> Finding:
    """Judge the control socket; ``answers``: a hub answers there."""
    if answers:
        return ok("socket", f"the hub answers on {socket}")
    if socket.exists():
        return warn(
            "socket", f"{socket} is there, but no hub answers on it", "start the hub: it takes the place of a dead one"
        )
    return ok("socket", f"no hub runs; {socket} is made when it starts")
