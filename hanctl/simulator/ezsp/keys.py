"""Security: the initial state, the link key table, transient keys, and the security manager's import and export."""

from __future__ import annotations

from dataclasses import dataclass, field

import bellows.types as t

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.simulator.ezsp.commands import Arguments, NotInThisBuild, Values, command
from hanctl.simulator.ezsp.configuration import Configuration
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.status import Outcome
from hanctl.simulator.ezsp.tokens import KeyToken, SecurityToken
from hanctl.simulator.network.trust_centre import PartnerKeyOutcome

GLOBAL_LINK_KEY = 0x0004
HASHED_LINK_KEY = 0x0080
HAVE_TRUST_CENTRE_EUI64 = 0x0040
HAVE_PRECONFIGURED_KEY = 0x0100
HAVE_NETWORK_KEY = 0x0200
CURRENT_HAS_LINK_KEY = 0x0010
ANY_INDEX = 0xFF
NO_EUI64 = (bytes(8), b"\xff" * 8)
KEY_HAS_PARTNER_AND_COUNTERS = 0x000E


@dataclass(frozen=True, slots=True)
class InitialSecurity:
    """Security settings with which the host wants the next network formed."""

    bitmask: int
    link_key: bytes = field(repr=False)
    network_key: bytes = field(repr=False)
    key_sequence: int
    trust_centre: bytes


_PARTNER_KEY_STATUS = {
    "sent": t.EmberKeyStatus.TC_APP_KEY_SENT_TO_REQUESTER,
    "no key": t.EmberKeyStatus.TC_NO_LINK_KEY_FOR_REQUESTER,
    "denied": t.EmberKeyStatus.TC_REJECTED_APP_KEY_REQUEST,
}


class Keys:
    """Handlers of the security commands."""

    def __init__(self, ncp: EzspFirmware, configuration: Configuration) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self.initial: InitialSecurity | None = None

    # --- the trust centre's own state

    @command("setInitialSecurityState")
    def set_initial_security_state(self, a: Arguments) -> Values:
        if self._ncp.stack.up:
            return {"status": Outcome.INVALID_CALL}
        state = a["state"]
        rng = self._ncp.stack.medium.rng
        bitmask = int(state.bitmask)
        self.initial = InitialSecurity(
            bitmask,
            bytes(state.preconfiguredKey.serialize()) if bitmask & HAVE_PRECONFIGURED_KEY else rng.randbytes(16),
            bytes(state.networkKey.serialize()) if bitmask & HAVE_NETWORK_KEY else rng.randbytes(16),
            int(state.networkKeySequenceNumber),
            bytes(state.preconfiguredTrustCenterEui64.serialize())
            if bitmask & HAVE_TRUST_CENTRE_EUI64
            else to_bytes(self._ncp.stack.eui64),
        )
        return {"status": Outcome.OK}

    def commit(self) -> None:
        """Make the initial state the current one, as a network is being formed."""
        assert self.initial is not None
        self._ncp.tokens.security = SecurityToken(
            self.initial.bitmask, self.initial.link_key, self.initial.trust_centre
        )
        self.use_trust_centre_key()

    def use_trust_centre_key(self) -> None:
        """Let devices join with the trust centre's key, where it is one they can know.

        Assumption, to be proven on silicon: with a hashed link key each device has its own, derived from a secret that
        only the trust centre knows, so no device can have it pre-configured; only a plain global key admits devices.
        """
        security = self._ncp.tokens.security
        usable = security is not None and security.bitmask & (GLOBAL_LINK_KEY | HASHED_LINK_KEY) == GLOBAL_LINK_KEY
        self._ncp.stack.global_link_key = security.link_key if usable and security else None

    @command("getCurrentSecurityState")
    def get_current_security_state(self, a: Arguments) -> Values:
        security = self._ncp.tokens.security
        if security is None or not self._ncp.stack.up:
            return {
                "status": Outcome.NOT_JOINED,
                "state": t.EmberCurrentSecurityState(bitmask=0, trustCenterLongAddress=_eui(bytes(8))),
            }
        bitmask = security.bitmask & (GLOBAL_LINK_KEY | HASHED_LINK_KEY) | CURRENT_HAS_LINK_KEY
        return {
            "status": Outcome.OK,
            "state": t.EmberCurrentSecurityState(bitmask=bitmask, trustCenterLongAddress=_eui(security.trust_centre)),
        }

    @command("getNetworkKeyInfo")
    def get_network_key_info(self, a: Arguments) -> Values:
        network = self._ncp.stack.network
        return {
            "status": Outcome.OK,
            "network_key_info": t.SecurityManagerNetworkKeyInfo(
                network_key_set=network is not None,
                alternate_network_key_set=False,
                network_key_sequence_number=network.key_sequence if network else 0,
                alt_network_key_sequence_number=0,
                network_key_frame_counter=network.frame_counter if network else 0,
            ),
        }

    @command("broadcastNextNetworkKey", "broadcastNetworkKeySwitch", "unicastNwkKeyUpdate", "updateTcLinkKey")
    def change_network_key(self, a: Arguments) -> Values:
        # The simulated network key is for life.
        return {"status": Outcome.NOT_SUPPORTED}

    # --- keys between devices

    def partner_key_event(self, requester: Eui64, outcome: PartnerKeyOutcome) -> None:
        """Tell the host that a device asked for a key with another."""
        self._ncp.callback(
            "zigbeeKeyEstablishmentHandler", partner=_eui(to_bytes(requester)), status=_PARTNER_KEY_STATUS[outcome]
        )

    # --- link key table

    def _find(self, eui64: Eui64) -> KeyToken | None:
        return next((k for k in self._ncp.tokens.keys.values() if k.eui64 == eui64), None)

    def _store(self, index: int, raw_eui64: bytes, key: bytes) -> Outcome:
        size, keys = self._ncp.stack.key_table_size, self._ncp.tokens.keys
        if raw_eui64 in NO_EUI64:
            return Outcome.BAD_ARGUMENT
        eui64 = from_bytes(raw_eui64)
        present = self._find(eui64)
        if index == ANY_INDEX:
            free = next((i for i in range(size) if i not in keys), None)
            chosen = present.index if present is not None else free
            if chosen is None:
                return Outcome.TABLE_FULL
            index = chosen
        if index >= size:
            return Outcome.INVALID_INDEX
        for entry in (present, keys.get(index)):
            if entry is not None and entry.eui64 != eui64:
                self._ncp.stack.key_table.pop(entry.eui64, None)
        if present is not None:
            del keys[present.index]
        keys[index] = KeyToken(index, eui64, key)
        self._ncp.stack.counters.begin(eui64)
        # Straight into the stack's table: which entry is free was decided here.
        self._ncp.stack.key_table[eui64] = key
        self._ncp.save()
        return Outcome.OK

    @command("importLinkKey")
    def import_link_key(self, a: Arguments) -> Values:
        outcome = self._store(int(a["index"]), a["address"].serialize(), bytes(a["key"].serialize()))
        return {"status": outcome}

    @command("findKeyTableEntry")
    def find_key_table_entry(self, a: Arguments) -> Values:
        entry = self._find(from_bytes(a["address"].serialize()))
        return {"index": entry.index if entry is not None else ANY_INDEX}

    @command("eraseKeyTableEntry")
    def erase_key_table_entry(self, a: Arguments) -> Values:
        index = int(a["index"])
        if index >= self._ncp.stack.key_table_size:
            return {"status": Outcome.INVALID_INDEX}
        entry = self._ncp.tokens.keys.pop(index, None)
        if entry is not None:
            self._ncp.stack.key_table.pop(entry.eui64, None)
            self._ncp.stack.counters.begin(entry.eui64)
            self._ncp.save()
        return {"status": Outcome.OK}

    @command("clearKeyTable")
    def clear_key_table(self, a: Arguments) -> Values:
        self._ncp.tokens.keys.clear()
        self._ncp.stack.key_table.clear()
        self._ncp.save()
        return {"status": Outcome.OK}

    @command("exportLinkKeyByIndex")
    def export_link_key_by_index(self, a: Arguments) -> Values:
        index = int(a["index"])
        if index >= self._ncp.stack.key_table_size:
            return self._exported(None, Outcome.INVALID_INDEX)
        return self._exported(self._ncp.tokens.keys.get(index))

    @command("exportLinkKeyByEui")
    def export_link_key_by_eui(self, a: Arguments) -> Values:
        return self._exported(self._find(from_bytes(a["eui64"].serialize())))

    def _exported(self, entry: KeyToken | None, missing: Outcome = Outcome.NOT_FOUND) -> Values:
        kind = t.SecurityManagerKeyType.APP_LINK
        eui64 = to_bytes(entry.eui64) if entry is not None else bytes(8)
        return {
            "status": missing if entry is None else Outcome.OK,
            "eui64": _eui(eui64),
            "index": entry.index if entry is not None else 0,
            "context": _context(kind, eui64, entry.index if entry is not None else 0),
            "plaintext_key": _key(entry.key if entry is not None else bytes(16)),
            "key_data": self._metadata(entry.eui64 if entry is not None else None),
        }

    def _metadata(self, eui64: Eui64 | None, ttl_s: int = 0) -> t.SecurityManagerAPSKeyMetadata:
        return t.SecurityManagerAPSKeyMetadata(
            bitmask=KEY_HAS_PARTNER_AND_COUNTERS if eui64 is not None else 0,
            outgoing_frame_counter=self._ncp.tokens.aps_counter if eui64 is not None else 0,
            incoming_frame_counter=self._ncp.stack.counter_told(eui64) if eui64 is not None else 0,
            ttl_in_seconds=ttl_s,
        )

    # --- transient keys

    @command("importTransientKey")
    def import_transient_key(self, a: Arguments) -> Values:
        seconds = self._configuration[t.EzspConfigId.CONFIG_TRANSIENT_KEY_TIMEOUT_S]
        self._ncp.stack.add_transient_key(
            from_bytes(a["eui64"].serialize()), bytes(a["plaintext_key"].serialize()), seconds
        )
        return {"status": Outcome.OK}

    @command("clearTransientLinkKeys")
    def clear_transient_link_keys(self, a: Arguments) -> Values:
        self._ncp.stack.clear_transient_keys()
        return {}

    @command("exportTransientKeyByEui")
    def export_transient_key_by_eui(self, a: Arguments) -> Values:
        return self._transient(from_bytes(a["eui64"].serialize()))

    @command("exportTransientKeyByIndex")
    def export_transient_key_by_index(self, a: Arguments) -> Values:
        present = list(self._ncp.stack.transient_keys())
        index = int(a["index"])
        return self._transient(present[index] if index < len(present) else None)

    def _transient(self, eui64: Eui64 | None) -> Values:
        key = self._ncp.stack.transient_key(eui64) if eui64 is not None else None
        raw = to_bytes(eui64) if eui64 is not None and key is not None else bytes(8)
        return {
            "status": Outcome.OK if key is not None else Outcome.NOT_FOUND,
            "context": _context(t.SecurityManagerKeyType.TC_LINK_WITH_TIMEOUT, raw, 0),
            "plaintext_key": _key(key or bytes(16)),
            "key_data": self._metadata(eui64 if key is not None else None, 1 if key is not None else 0),
        }

    # --- security manager

    @command("exportKey")
    def export_key(self, a: Arguments) -> Values:
        key = self._lookup(a["context"])
        return {
            "status": Outcome.OK if key is not None else Outcome.NOT_FOUND,
            "key": _key(key or bytes(16)),
            "context": a["context"],
        }

    def _lookup(self, context: t.SecurityManagerContextV13) -> bytes | None:
        kind = context.core_key_type
        stack, tokens = self._ncp.stack, self._ncp.tokens
        if kind == t.SecurityManagerKeyType.NETWORK:
            return stack.network.key if stack.network is not None and not context.key_index else None
        if kind == t.SecurityManagerKeyType.TC_LINK:
            return tokens.security.link_key if tokens.security is not None else None
        by_index = context.flags & t.SecurityManagerContextFlags.KEY_INDEX_IS_VALID
        eui64 = from_bytes(context.eui64.serialize())
        if kind == t.SecurityManagerKeyType.APP_LINK:
            entry = tokens.keys.get(int(context.key_index)) if by_index else self._find(eui64)
            return entry.key if entry is not None else None
        if kind == t.SecurityManagerKeyType.TC_LINK_WITH_TIMEOUT:
            return stack.transient_key(eui64)
        return None

    @command("checkKeyContext")
    def check_key_context(self, a: Arguments) -> Values:
        return {"status": Outcome.OK if self._lookup(a["context"]) is not None else Outcome.NOT_FOUND}

    @command("getApsKeyInfo")
    def get_aps_key_info(self, a: Arguments) -> Values:
        context = a["context_in"]
        kinds = (t.SecurityManagerKeyType.APP_LINK, t.SecurityManagerKeyType.TC_LINK_WITH_TIMEOUT)
        if self._ncp.stack.quirks.counters == "unsupported":
            raise NotInThisBuild
        eui64 = self._owner(context) if context.core_key_type in kinds else None
        found = eui64 is not None
        return {
            "status": Outcome.OK if found else Outcome.NOT_FOUND,
            "eui": _eui(to_bytes(eui64)) if eui64 is not None else context.eui64,
            "context": context,
            "key_data": self._metadata(eui64),
        }

    def _owner(self, context: t.SecurityManagerContextV13) -> Eui64 | None:
        """Return the node whose key the context names; None where there is none."""
        if self._lookup(context) is None:
            return None
        if context.core_key_type == t.SecurityManagerKeyType.APP_LINK and (
            context.flags & t.SecurityManagerContextFlags.KEY_INDEX_IS_VALID
        ):
            return self._ncp.tokens.keys[int(context.key_index)].eui64
        return from_bytes(context.eui64.serialize())

    @command("importKey")
    def import_key(self, a: Arguments) -> Values:
        context, key = a["context"], bytes(a["key"].serialize())
        outcome = Outcome.BAD_ARGUMENT
        if context.core_key_type == t.SecurityManagerKeyType.APP_LINK:
            outcome = self._store(int(context.key_index), context.eui64.serialize(), key)
        elif context.core_key_type == t.SecurityManagerKeyType.TC_LINK and self._ncp.tokens.security is not None:
            self._ncp.tokens.security.link_key = key
            self.use_trust_centre_key()
            self._ncp.save()
            outcome = Outcome.OK
        return {"status": outcome, "context": context}


def _eui(raw: bytes) -> t.EUI64:
    return t.EUI64.deserialize(raw)[0]


def _key(raw: bytes) -> t.KeyData:
    return t.KeyData.deserialize(raw)[0]


def _context(kind: int, eui64: bytes, index: int) -> t.SecurityManagerContextV13:
    return t.SecurityManagerContextV13(
        core_key_type=kind,
        key_index=index,
        derived_type=t.SecurityManagerDerivedKeyTypeV13.NONE,
        eui64=_eui(eui64),
        multi_network_index=0,
        flags=t.SecurityManagerContextFlags.EUI_IS_VALID | t.SecurityManagerContextFlags.KEY_INDEX_IS_VALID,
        psa_key_alg_permission=0,
    )
