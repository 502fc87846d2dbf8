import { BlockList, isIP, isIPv4 } from 'node:net';
import type { Proxies } from '../config/schema.ts';

/**
 * The proxy that an address is asked through, as the `consul` command decides it; undefined for none.
 * - `localhost` and loopback addresses never have one;
 * - NO_PROXY is a list with commas of `*`, IP addresses, ranges (`10.0.0.0/8`) and names: `example.com` means that name and all
 *   below, `.example.com` and `*.example.com` only those below; each but a range may end in a port;
 * - a proxy without a scheme is an `http` one.
 * Source: Go's golang.org/x/net/http/httpproxy, and Consul's api package, which uses it.
 * @throws Error when the proxy is none that can be used; its text is not shown, for there may be a password in it
 */
export function proxyFor(address: string, { http, https, none }: Proxies): URL | undefined {
  const url = new URL(address);
  const isHttps = url.protocol === 'https:';
  const text = isHttps ? https : http;
  if (text === '' || !usesProxy(hostOf(url), portOf(url), none)) return undefined;
  const whole = text.includes('://') ? text : `http://${text}`;
  const proxy = URL.canParse(whole) ? new URL(whole) : undefined;
  if (proxy?.hostname && (proxy.protocol === 'http:' || proxy.protocol === 'https:')) return proxy;
  const found = proxy ? `one of ${proxy.protocol}//` : 'one that is no URL';
  throw new Error(
    `read ${isHttps ? 'HTTPS_PROXY' : 'HTTP_PROXY'}: expected a proxy like http://proxy:3128, found ${found}`,
  );
}

/** Without brackets, and without the dot that may end a name. */
function hostOf({ hostname }: URL): string {
  return hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
}

export function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

function usesProxy(host: string, port: number, none: string): boolean {
  if (host === 'localhost' || isWithin(host, '127.0.0.0', 8) || isWithin(host, '::1', 128)) return false;
  const rules = none.split(',').map((rule) => rule.trim().toLowerCase());
  return !rules.some((rule) => rule !== '' && isExcepted(rule, host, port));
}

function isExcepted(rule: string, host: string, port: number): boolean {
  if (rule === '*') return true;
  const [range = '', bits = ''] = rule.split('/');
  if (isIP(range) !== 0 && /^\d{1,3}$/.test(bits)) return isWithin(host, range, Number(bits));
  const [, bracketed, plain, onlyPort] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(rule) ?? [];
  // An IPv6 address without brackets has no port.
  const name = isIP(rule) === 0 ? (bracketed ?? plain) : rule;
  if (name === undefined || name === '' || (isIP(rule) === 0 && onlyPort !== undefined && Number(onlyPort) !== port))
    return false;
  if (isIP(name) !== 0) return isWithin(host, name, isIPv4(name) ? 32 : 128);
  const domain = name.replace(/^\*/, '');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

/** Whether the host is an IP address of that range. */
function isWithin(host: string, range: string, bits: number): boolean {
  const family = (address: string) => (isIPv4(address) ? 'ipv4' : 'ipv6');
  if (isIP(host) === 0 || isIP(range) === 0 || bits > (isIPv4(range) ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(range, bits, family(range));
  return list.check(host, family(host));
}

/** How a proxy is named to people: without its credentials. */
export function proxyName({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

/** The header that the credentials of a proxy's URL go into. */
export function proxyHeaders({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}
