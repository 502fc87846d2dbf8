import { BlockList, isIP, isIPv6 } from 'node:net';

export type Family = 'IPv4' | 'IPv6';

/** Addresses that can never be an endpoint: the API server refuses some of them, and with them the whole object. */
const NEVER = new BlockList();
for (const [net, prefix, family] of [
  ['0.0.0.0', 8, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['::1', 128, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
] as const) {
  NEVER.addSubnet(net, prefix, family);
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
  if (NEVER.check(address, family === 'IPv4' ? 'ipv4' : 'ipv6'))
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
