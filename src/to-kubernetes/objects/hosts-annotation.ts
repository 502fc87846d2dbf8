import { isObject } from '../../json.ts';
import type { EndpointSlice } from '../../kubernetes/objects.ts';
import { ANNOTATION } from '../../mark.ts';

/**
 * The host names behind the addresses of a slice or a WorkloadEntry, as an annotation of it: after a restart they are what
 * was known, also when DNS does not answer. Null when there are none.
 */
export function writeHosts(endpoints: readonly { readonly address: string; readonly host: string }[]): string | null {
  const hosts = endpoints
    .filter(({ host }) => host !== '')
    .map(({ address, host }): [string, string] => [address, host]);
  return hosts.length === 0 ? null : JSON.stringify(Object.fromEntries(hosts.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** An object with the annotation, and the addresses in it. */
export interface Noted extends Pick<EndpointSlice, 'annotations'> {
  readonly endpoints: readonly { readonly address: string }[];
}

/** Addresses to host names. Somebody may have edited it: what makes no sense is left out. */
export function readHosts({ annotations, endpoints }: Noted): ReadonlyMap<string, string> {
  const parsed = parse(annotations.get(ANNOTATION.hosts));
  return new Map(
    endpoints.flatMap(({ address }) => {
      const host = Object.hasOwn(parsed, address) ? parsed[address] : undefined;
      return typeof host === 'string' && host !== '' ? [[address, host] as const] : [];
    }),
  );
}

function parse(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
