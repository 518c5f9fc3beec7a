"""Apply the policy for image signatures: whether they are checked, and whether unverified images are accepted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from hanctl.base.errors import ConfigError, Refused
from hanctl.base.eui64 import Eui64
from hanctl.images.image import OtaImage
from hanctl.images.signature import SignatureTrust, Verdict, check
from hanctl.images.supplier import load_supplier_certificates
from hanctl.trust.roots import load_root

Policy = Literal["require", "warn", "off"]
NOT_LOOKED_AT = Verdict("unchecked", reason="signatures are not looked at (policy off)")


class SignatureRequired(Refused):
    """The image is not verified, and the policy takes verified images only."""

    code = "signature-required"


class SignatureChecker:
    """Check images, each once: neither the file of a hash nor the trusted signers change in a run.

    ``policy``: "require": an image that is not verified is neither added nor served; "warn": it is, and told of; "off":
    nobody looks.
    """

    def __init__(self, policy: Policy = "off", trust: SignatureTrust | None = None) -> None:
        self.policy = policy
        self._trust = trust or SignatureTrust()
        self._known: dict[tuple[str, str], Verdict] = {}

    @classmethod
    def load(
        cls, policy: Policy, roots: Sequence[Path] = (), signers: Iterable[Eui64] = (), suppliers: Sequence[Path] = ()
    ) -> SignatureChecker:
        """Make a checker that trusts these files: authorities, and suppliers' certificates.

        Raises NotFound, KeyFileError, CertificateError; ConfigError if nothing could ever be verified.
        """
        if policy == "require" and not (roots or suppliers):
            raise ConfigError(
                'signatures = "require", but there is nothing to verify them with: no image could be added',
                "name an authority or a supplier's certificate: signature_roots or supplier_certificates in [firmware]",
            )
        if policy == "off":
            return cls(policy)
        certificates = [certificate for path in suppliers for certificate in load_supplier_certificates(path)]
        trust = SignatureTrust(tuple(load_root(path) for path in roots), frozenset(signers), tuple(certificates))
        return cls(policy, trust)

    @property
    def verifies(self) -> bool:
        """Tell whether there is something to verify signatures with."""
        return bool(self._trust)

    def known(self, image: OtaImage) -> Verdict | None:
        """Return the verdict, if it is known already or costs nothing."""
        return NOT_LOOKED_AT if self.policy == "off" else self._known.get((image.file_sha256, image.form))

    def verdict(self, data: bytes, image: OtaImage) -> Verdict:
        """Return the verdict on a parsed file. ``data`` is the file."""
        found = self.known(image)
        if found is None:
            found = self._known[image.file_sha256, image.form] = check(data, image, self._trust)
        return found

    def demand(self, verdict: Verdict) -> None:
        """Raise SignatureRequired if the policy accepts no image with this verdict."""
        if self.policy == "require" and verdict.status != "verified":
            raise SignatureRequired(
                f"the image is not verified: {verdict}",
                'see docs/signatures.md; images without a good signature are taken with signatures = "warn"',
            )

    def doubts(self, verdict: Verdict) -> bool:
        """Tell whether to warn: the signature is invalid, or could not be verified with what is configured."""
        return self.policy != "off" and (
            verdict.status == "invalid" or (self.verifies and verdict.status != "verified")
        )
