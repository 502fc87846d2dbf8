import { BlockList, isIP, isIPv6 } from 'node:net';

export type Family = 'IPv4' | 'IPv6';

/** Addresses that can never be an endpoint: the API server refuses some of them, and with them the whole object. */
const NEVER_IPV6 = new BlockList();
for (const [net, prefix] of [
  ['::', 128],
  ['::1', 128],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  NEVER_IPV6.addSubnet(net, prefix, 'ipv6');
}

/** This network, loopback, link-local, multicast and what is reserved; each pod is asked about at each look. */
function isNeverIPv4(address: string): boolean {
  const first = parseInt(address, 10);
  return first === 0 || first === 127 || first >= 224 || address.startsWith('169.254.');
}

export type Judged = { readonly address: string; readonly family: Family } | { readonly refused: string };

/**
 * One address as Kubernetes wants it (canonical, as discovery/v1 requires), or why it cannot be used. Only the plain
 * notations are addresses: `127.1` and `0x7f.1` are host names here, and host names are not resolved yet.
 */
export function judgeAddress(text: string, isReserved: (address: string) => boolean): Judged {
  const version = isIP(text);
  if (version === 0)
    return { refused: text === '' ? 'it has no address' : 'its address is a host name, not an IP address' };
  if (text.includes('%')) return { refused: 'its address has a zone, which means nothing on another machine' };
  const { address, family } = version === 4 ? { address: text, family: 'IPv4' as const } : canonicalIPv6(text);
  if (family === 'IPv4' ? isNeverIPv4(address) : NEVER_IPV6.check(address, 'ipv6'))
    return { refused: 'its address is loopback, link-local, multicast or reserved' };
  if (isReserved(address)) return { refused: 'its address belongs to a Kubernetes Service or to the API server' };
  return { address, family };
}

/** One text for all notations of an address, for comparing; lower case for anything that is none. */
export function canonicalAddress(text: string): string {
  return isIPv6(text) && !text.includes('%') ? canonicalIPv6(text).address : text.toLowerCase();
}

/** RFC 5952 form; an IPv4-mapped address is the IPv4 address that it maps. */
function canonicalIPv6(text: string): { address: string; family: Family } {
  const address = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (!mapped) return { address, family: 'IPv6' };
  const [high, low] = [parseInt(mapped[1] ?? '0', 16), parseInt(mapped[2] ?? '0', 16)];
  return { address: [high >> 8, high & 255, low >> 8, low & 255].join('.'), family: 'IPv4' };
}
