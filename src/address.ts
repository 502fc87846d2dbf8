import { BlockList, isIP, isIPv6 } from 'node:net';
import { escapeControls } from './json.ts';

export type Family = 'IPv4' | 'IPv6';

/** `10.0.0.0/8`, `fd00::/8`: an IPv4 or IPv6 address and how many of its bits count. */
export function isAddressRange(text: string): boolean {
  const [address = '', bits = '', ...more] = text.split('/');
  const version = address.includes('%') ? 0 : isIP(address);
  return version !== 0 && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}

/** Whether an address, in its canonical form, is in one of some ranges. */
export type AddressRanges = (address: string, family: Family) => boolean;

/** @param ranges texts for which `isAddressRange` holds; others are left out */
export function rangesOf(ranges: readonly string[]): AddressRanges {
  const list = new BlockList();
  for (const range of ranges.filter(isAddressRange)) {
    const [address = '', bits = ''] = range.split('/');
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return (address, family) => list.check(address, family === 'IPv4' ? 'ipv4' : 'ipv6');
}

/**
 * Ranges of addresses that can never be an endpoint: the API server refuses some of them, and with them the whole object.
 * `::/96` is the old form of IPv4 addresses.
 */
const NEVER_IPV6 = [
  { range: '::/128', name: 'unspecified' },
  { range: '::1/128', name: 'loopback' },
  { range: '::/96', name: 'IPv4-compatible, out of use' },
  { range: 'fe80::/10', name: 'link-local' },
  { range: 'ff00::/8', name: 'multicast' },
].map(({ range, name }) => ({ said: `${range} (${name})`, has: rangesOf([range]) }));

/**
 * The same of IPv4, by hand, because the address of each pod is looked up here at each plan. The rest of 240.0.0.0/4
 * (class E) is reserved too, but clouds give addresses of it to pods.
 */
function neverIPv4(address: string): string | undefined {
  const first = parseInt(address, 10);
  if (first === 0) return '0.0.0.0/8 (this network)';
  if (first === 127) return '127.0.0.0/8 (loopback)';
  if (first === 169 && address.startsWith('169.254.')) return '169.254.0.0/16 (link-local)';
  if (first >= 224 && first < 240) return '224.0.0.0/4 (multicast)';
  return address === '255.255.255.255' ? '255.255.255.255/32 (broadcast)' : undefined;
}

/** Where clouds tell a machine its credentials, beside the link-local address that most have: Alibaba, Azure, Oracle, AWS, Google. */
const METADATA = new Set(['100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254']);
/** RFC 6052: a gateway sends what goes there to the IPv4 address in the last 32 bits. */
const NAT64 = rangesOf(['64:ff9b::/96']);

export interface Address {
  readonly address: string;
  readonly family: Family;
}
export type Judged = Address | { readonly refused: string };

/**
 * One address as Kubernetes wants it (canonical, as discovery/v1 requires), or why it cannot be used. Only the plain
 * notations are addresses: `127.1` and `0x7f.1` are not.
 * @param refusalOf why a canonical address cannot be used here, in words that follow "its address 10.0.0.1"
 * @param isAllowed true for an address that somebody vouches for: then only what no object can have is refused
 */
export function judgeAddress(
  text: string,
  refusalOf: (address: Address) => string | undefined = () => undefined,
  isAllowed: (address: Address) => boolean = () => false,
): Judged {
  const version = isIP(text);
  if (text === '') return { refused: 'it has no address' };
  if (version === 0) return { refused: `its address ${shown(text)} is not an IP address` };
  if (text.includes('%'))
    return { refused: `its address ${shown(text)} has a zone, which means nothing on another machine` };
  const found: Address = version === 4 ? { address: text, family: 'IPv4' } : canonicalIPv6(text);
  const gateway = found.family === 'IPv6' && NAT64(found.address, 'IPv6') ? [lastFourBytes(found.address)] : [];
  for (const address of [found, ...gateway]) {
    const general = isAllowed(address) ? refusalOfApiServer(address) : generalRefusalOf(address);
    const refusal = general ?? refusalOf(address);
    const way = address === found ? '' : `${found.address} leads to `;
    if (refusal !== undefined) return { refused: `its address ${way}${address.address}${way && ', which'} ${refusal}` };
  }
  return found;
}

function generalRefusalOf({ address, family }: Address): string | undefined {
  const range = family === 'IPv4' ? neverIPv4(address) : NEVER_IPV6.find(({ has }) => has(address, family))?.said;
  if (range !== undefined) return `is in ${range}`;
  if (METADATA.has(address)) return 'is where a cloud tells machines their credentials';
  return undefined;
}

/** What somebody else wrote, for a message. */
function shown(text: string): string {
  return escapeControls(JSON.stringify(text.slice(0, 64)));
}

/** What discovery/v1 refuses in any slice (kube-apiserver 1.36.3): unspecified, loopback, link-local, link-local multicast. */
const IN_NO_SLICE = rangesOf([
  ...['0.0.0.0/32', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/24'],
  ...['::/127', 'fe80::/10', 'ff02::/16', 'ff12::/16', 'ff32::/16'],
]);

function refusalOfApiServer({ address, family }: Address): string | undefined {
  return IN_NO_SLICE(address, family) ? 'is unspecified, loopback or link-local, which no slice can have' : undefined;
}

const HOST_LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** A name that DNS can have. What ends in a number is an old notation of an IPv4 address, and not asked for. */
export function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.');
  return (
    text.length <= 253 &&
    labels.every((label) => HOST_LABEL.test(label)) &&
    !/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? '')
  );
}

/** One text for all spellings of a host name: DNS ignores case, and the dot at the end says that no other domain is meant. */
export function hostKey(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

/** One text for all notations of an address, for comparing; lower case for anything that is none. */
export function canonicalAddress(text: string): string {
  return isIPv6(text) && !text.includes('%') ? canonicalIPv6(text).address : text.toLowerCase();
}

/** Host and port as a URL has them: an IPv6 address stands in brackets, whether it came with them or not. */
export function authorityOf(host: string, port: number | string): string {
  return `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

/** An address and a port as one text, for comparing. */
export function locationOf(address: string, port: number): string {
  return `${canonicalAddress(address)} ${port}`;
}

/** RFC 5952 form; an IPv4-mapped address is the IPv4 address that it maps. */
function canonicalIPv6(text: string): Address {
  const address = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  return /^::ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/.test(address) ? lastFourBytes(address) : { address, family: 'IPv6' };
}

/** The last 32 bits of a canonical IPv6 address. */
function lastFourBytes(text: string): Address {
  const [high = 0, low = 0] = text
    .split(':')
    .slice(-2)
    .map((group) => parseInt(group === '' ? '0' : group, 16));
  return { address: [high >> 8, high & 255, low >> 8, low & 255].join('.'), family: 'IPv4' };
}
