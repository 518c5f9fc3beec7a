"""Give two devices a link key with each other when one sends an APS Request Key, as the trust centre's firmware does.

Assumptions, to be proven on silicon: one request is enough, and both devices must have a link key in the dongle's
table, that is, have established keys.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

from hanctl.base.eui64 import Eui64
from hanctl.simulator.network.medium import Node
from hanctl.simulator.network.stack import Stack

KEY_SIZE = 16


@runtime_checkable
class Partner(Protocol):
    """A node that can have link keys with others."""

    def take_partner_key(self, partner: Eui64, key: bytes) -> None:
        """Take the key in an APS Transport Key with an application link key, under the node's own link key."""


def request_partner_key(stack: Stack, requester: Node, other: Eui64) -> None:
    """Handle an APS Request Key at the trust centre: give both devices a fresh key, or refuse and say nothing."""
    if not stack.hearing() or stack.listener is None:
        return
    nodes = {node.eui64: node for node in stack.medium.nodes if node.nwk is not None}
    both = [(requester.eui64, other), (other, requester.eui64)]
    observer, own_key = stack.medium.observer, stack.link_key(requester.eui64)
    if observer is not None and own_key is not None:
        observer.partner_key_request(requester, other, own_key)
    if not stack.policy.partner_keys:
        stack.listener.partner_key_event(requester.eui64, "denied")
    elif any(eui64 not in stack.key_table or eui64 not in nodes for eui64, _ in both):
        stack.listener.partner_key_event(requester.eui64, "no key")
    else:
        key = stack.medium.rng.randbytes(KEY_SIZE)
        for eui64, partner in both:
            node = nodes[eui64]
            if observer is not None:
                observer.partner_key(node, partner, key, stack.key_table[eui64], asked=node is requester)
            if isinstance(node, Partner):
                asyncio.get_running_loop().call_later(node.link.delay_s, node.take_partner_key, partner, key)
        stack.listener.partner_key_event(requester.eui64, "sent")
