import { CANCELLED, NODATA, NOTFOUND } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import type { Family } from '../../address.ts';

export interface DnsConfig {
  /** `address` or `address:port`; none: those of the system. */
  readonly servers: readonly string[];
  /** Domains that a name without a dot is looked for in, before it is looked for as it is. */
  readonly search: readonly string[];
}

export interface HostAnswer {
  /** At least one, all of one IP family. */
  readonly addresses: readonly string[];
  /** How long the answer is good for, as the DNS server says. */
  readonly ttlMs: number;
}

/** @param families the preferred one first: the others count only when it has no address. @throws Error in a few words */
export type HostLookup = (host: string, families: readonly Family[]) => Promise<HostAnswer>;

/** A server that does not answer is asked twice, and given up before the next look is due. */
const QUERY_TIMEOUT_MS = 2000;
const TRIES = 2;
const DEADLINE_MS = 10_000;

/** What is asked of DNS. */
export type DnsResolver = {
  resolve4(name: string, options: { readonly ttl: true }): Promise<readonly DnsRecord[]>;
  resolve6(name: string, options: { readonly ttl: true }): Promise<readonly DnsRecord[]>;
};
interface DnsRecord {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

/**
 * Asks DNS for the addresses of host names. Not by the system's own look-up, which says no TTL and waits in the threads that
 * files are read in. So neither /etc/hosts counts nor a search list of the system.
 */
export function createHostLookup({ servers, search }: DnsConfig, signal: AbortSignal): HostLookup {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  signal.addEventListener('abort', () => resolver.cancel());
  return hostLookup(resolver, search);
}

/**
 * | the name                       | what is asked for, until something has an address        |
 * |--------------------------------|----------------------------------------------------------|
 * | with a dot                     | itself                                                   |
 * | without one                    | itself in each domain of the search list, then itself    |
 *
 * Of each in the given order of families, but no second family of a name that DNS does not have.
 */
export function hostLookup(
  resolver: DnsResolver,
  search: readonly string[],
  deadlineMs: number = DEADLINE_MS,
): HostLookup {
  async function query(name: string, family: Family): Promise<HostAnswer> {
    const records = await (family === 'IPv4'
      ? resolver.resolve4(name, { ttl: true })
      : resolver.resolve6(name, { ttl: true }));
    return {
      addresses: records.map(({ address }) => address).sort(),
      ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
    };
  }

  async function lookUp(host: string, families: readonly Family[]): Promise<HostAnswer> {
    const names = host.includes('.') ? [host] : [...search.map((domain) => `${host}.${domain}`), host];
    let isName = false;
    for (const name of names) {
      for (const family of families) {
        const answer = await query(name, family).catch((error: unknown) => absence(error));
        if (answer === 'no name') break;
        isName = true;
        if (answer !== 'no address' && answer.addresses.length > 0) return answer;
      }
    }
    throw new Error(isName ? 'it has no address in DNS' : 'there is no such name in DNS');
  }

  return (host, families) => withDeadline(lookUp(host, families), deadlineMs);
}

/** What DNS says for sure; anything else is no answer. */
function absence(error: unknown): 'no name' | 'no address' {
  const { code } = error as NodeJS.ErrnoException;
  if (code === NOTFOUND) return 'no name';
  if (code === NODATA) return 'no address';
  throw new Error(code === CANCELLED ? 'the look-up was given up' : `DNS did not answer (${code ?? String(error)})`, {
    cause: error,
  });
}

async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('DNS did not answer in time')), ms);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
    // Nobody waits for it any more.
    work.catch(() => undefined);
  }
}
