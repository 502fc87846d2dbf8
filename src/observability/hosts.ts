import { isIP } from 'node:net';

/** Ends of names that nobody can have on the internet: Kubernetes gives them, or the machine itself. */
const ENDS = ['.localhost', '.svc', '.cluster.local'];

/**
 * Whether what stands here may be shown to whoever asks under that name. A page of the internet can have a name of its own
 * resolved to any address that a browser reaches (DNS rebinding), a port-forward too, and then reads what answers there: the
 * browser takes both for one server. The name in the Host header remains. Addresses, names without a dot and those that
 * Kubernetes gives cannot be such a name.
 * @param header of the request, with or without a port; undefined where there is none, which no browser sends
 * @param own names besides, in lower case
 */
export function isSafeHost(header: string | undefined, own: readonly string[]): boolean {
  if (header === undefined) return true;
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header) ?? [header, '', 'not.a.host'];
  if (bracketed) return isIP(bracketed) === 6;
  const name = plain.toLowerCase().replace(/\.$/, '');
  return isIP(name) === 4 || !name.includes('.') || ENDS.some((end) => name.endsWith(end)) || own.includes(name);
}
