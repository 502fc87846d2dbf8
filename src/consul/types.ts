/** Consul's catalog in its own words, trimmed to what Consular uses. */
export type Strings = ReadonlyMap<string, string>;

export type CheckStatus = 'passing' | 'warning' | 'critical';

export interface CatalogNode {
  readonly name: string;
  readonly address: string;
  readonly meta: Strings;
  readonly modifyIndex: number;
}

export interface CatalogService {
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** Other addresses, by what each is for; one with another port than that of the service as `address port`. */
  readonly taggedAddresses: Strings;
  readonly tags: readonly string[];
  readonly meta: Strings;
  readonly weight: number;
  readonly modifyIndex: number;
}

export interface CatalogCheck {
  readonly checkId: string;
  readonly name: string;
  readonly type: string;
  readonly status: string;
  readonly notes: string;
  readonly output: string;
  readonly serviceId: string;
  readonly modifyIndex: number;
}

/** What a check says something about: a service on a node, or with an empty service the node itself. */
export interface Checked {
  readonly node: string;
  readonly service: string;
}

/** Everything on one Consul node. */
export interface NodeContents {
  readonly node: CatalogNode;
  readonly services: readonly CatalogService[];
  readonly checks: readonly CatalogCheck[];
  /** Moves with every change of the node and of the services on it, not with its checks; 0 when Consul did not say. */
  readonly index: number;
}

/** One instance of a service, as health/service tells it. */
export interface ServiceInstance {
  /** True when `toKubernetes.filter` does not select it. @default false */
  readonly isLeftOut?: boolean;
  readonly node: string;
  readonly nodeAddress: string;
  readonly id: string;
  readonly service: string;
  /** Service.Address; empty means the node's. */
  readonly address: string;
  /** Of several named ports the default one. */
  readonly port: number;
  /** All of its named ports (Consul 1.22); most instances have none. */
  readonly namedPorts: readonly number[];
  readonly tags: readonly string[];
  readonly meta: Strings;
  /** Not empty for proxies and gateways. */
  readonly kind: string;
  /** The worst of the instance's own checks and its node's. */
  readonly status: CheckStatus;
  /** How much traffic it wants beside the others, as it is now: Consul has one number for passing and one for warning. */
  readonly weight: number;
}
