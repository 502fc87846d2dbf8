import { isIP } from 'node:net';
import {
  isHostName,
  judgeAddress,
  rangesOf,
  type Address,
  type AddressRanges,
  type Family,
  type Judged,
} from '../../address.ts';
import { describe } from '../../json.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import { objectKey, serviceKeyOf, type EndpointSlice, type Service } from '../../kubernetes/objects.ts';
import { Index } from '../../kubernetes/view.ts';
import type { HostCache, KnownHost } from './host-cache.ts';
import type { Judgement, Network } from '../desired/mirrored-service.ts';
import type { Views } from '../views.ts';

/** What is known of host names, without waiting. */
export type Hosts = Pick<HostCache, 'known'>;

/**
 * From the address of an instance, as Consul tells it, to one that an endpoint can have in this cluster. Whoever may
 * register in Consul decides where traffic inside Kubernetes goes, so what leads back into Kubernetes itself is refused:
 *
 * | the address                                                     |                                              |
 * |-----------------------------------------------------------------|----------------------------------------------|
 * | is one that no slice can have                                   | refused                                      |
 * | is in `denyAddresses`                                           | refused                                      |
 * | is in `allowAddresses`                                          | taken                                        |
 * | is special, of the API server, or one that Services can have    | refused                                      |
 * | any other                                                       | taken                                        |
 */
export class Addresses {
  readonly #config: RangeSettings;
  /** What the settings say is read from text, so it is kept until they say something else. */
  #ranges: (RangeSettings & { readonly denied: NamedRanges; readonly isAllowed: AddressRanges }) | undefined;
  readonly #views: Views;
  readonly #hosts: Hosts;
  readonly #clusterIPs: Index<Service>;
  readonly #apiServer: Index<EndpointSlice>;
  #ofServices: NamedRanges = () => undefined;

  constructor(views: Views, config: RangeSettings, hosts: Hosts) {
    this.#views = views;
    this.#hosts = hosts;
    this.#config = config;
    this.#clusterIPs = new Index(views.services, ({ clusterIPs }) => clusterIPs);
    this.#apiServer = new Index(views.endpointSlices, (slice) =>
      isOfApiServer(slice) ? slice.endpoints.map(({ address }) => address) : [],
    );
    this.#readServiceRanges();
    views.serviceCIDRs?.subscribe(() => this.#readServiceRanges());
  }

  /** The cluster, and DNS, as they are known at this moment. */
  network(): Network {
    return { judge: (text) => this.#judge(text), families: serviceFamilies(this.#views) };
  }

  #configured(): { readonly denied: NamedRanges; readonly isAllowed: AddressRanges } {
    const { denyAddresses, allowAddresses } = this.#config;
    if (this.#ranges?.denyAddresses !== denyAddresses || this.#ranges.allowAddresses !== allowAddresses) {
      const [denied, isAllowed] = [namedRangesOf(denyAddresses), rangesOf(allowAddresses)];
      this.#ranges = { denyAddresses, allowAddresses, denied, isAllowed };
    }
    return this.#ranges;
  }

  #judge(text: string): Judgement {
    if (isIP(text) !== 0 || text === '') return this.#judgeIP(text);
    if (!isHostName(text)) return { refused: `its address ${describe(text)} is neither an IP address nor a host name` };
    const known = this.#hosts.known(text);
    return known ? { ...this.#judgeHost(text, known), host: text } : { pending: true, host: text };
  }

  /** A host is one instance, however many addresses it has: the first that can be, in an order that does not change. */
  #judgeHost(host: string, { addresses, failure }: KnownHost): Judged & { readonly doubt?: string } {
    const told = `its host name ${host}`;
    const judged = addresses.map((address) => this.#judgeIP(address));
    const [first] = judged.filter((address) => 'address' in address);
    if (first) return failure === '' ? first : { ...first, doubt: `${told} cannot be resolved any more: ${failure}` };
    const [refused] = judged.flatMap((address) => ('refused' in address ? address.refused : []));
    return { refused: refused === undefined ? `${told} cannot be resolved: ${failure}` : `${told}: ${refused}` };
  }

  #judgeIP(text: string): Judged {
    return judgeAddress(
      text,
      (address) => this.#refusalOf(address),
      ({ address, family }) => this.#configured().isAllowed(address, family),
    );
  }

  #refusalOf({ address, family }: Address): string | undefined {
    const ranges = this.#configured();
    const denied = ranges.denied(address, family);
    if (denied !== undefined) return `is in ${denied} of toKubernetes.denyAddresses`;
    if (ranges.isAllowed(address, family)) return undefined;
    if (this.#apiServer.get(address).length > 0)
      return 'is that of the API server, and in no range of toKubernetes.allowAddresses';
    // Without the ranges only those addresses are known that a Service has.
    const range = this.#ofServices(address, family);
    if (range !== undefined) return `is in ${range}, which Kubernetes gives to Services`;
    const [service] = this.#clusterIPs.get(address);
    return service && `is one that Kubernetes gives to Services, to ${objectKey(service)}`;
  }

  #readServiceRanges(): void {
    this.#ofServices = namedRangesOf([...(this.#views.serviceCIDRs?.values() ?? [])].flatMap(({ cidrs }) => cidrs));
  }
}

type RangeSettings = Pick<ToKubernetesConfig, 'denyAddresses' | 'allowAddresses'>;

/** The first of some ranges that an address is in, as it was written. */
type NamedRanges = (address: string, family: Family) => string | undefined;

function namedRangesOf(ranges: readonly string[]): NamedRanges {
  const named = ranges.map((range) => ({ range, has: rangesOf([range]) }));
  return (address, family) => named.find(({ has }) => has(address, family))?.range;
}

/** The IP families that Services of this cluster can have, its first one first. */
export function serviceFamilies({ services, serviceCIDRs }: Pick<Views, 'services' | 'serviceCIDRs'>): Family[] {
  const own = services.get(API_SERVICE)?.clusterIPs ?? [];
  const ranges = [...(serviceCIDRs?.values() ?? [])].flatMap(({ cidrs }) => cidrs);
  return [...new Set([...own, ...ranges].map((text) => (text.includes(':') ? 'IPv6' : 'IPv4')))];
}

/** The Service of the API server, which every cluster has from its beginning. */
const API_SERVICE = 'default/kubernetes';

export function isOfApiServer(slice: EndpointSlice): boolean {
  return serviceKeyOf(slice) === API_SERVICE;
}
