import type { MirroredService } from '../desired/mirrored-service.ts';
import type { AssignedName } from '../names/service-names.ts';
import type { Holder, OwnInNamespace } from './holder.ts';

/** What is to become of a Consul service in one namespace. */
export interface Wish {
  /** Of the Consul service, lower case. */
  readonly name: string;
  readonly namespace: string;
  /** What its Service should be called; undefined when this namespace should have none. */
  readonly assigned: AssignedName | undefined;
  /** True when some namespace should have it. */
  readonly mirrored: boolean;
  /** True when the grace period of a Consul service that is gone is over. */
  readonly expired: boolean;
}

/** The same with all that the kinds are planned from. */
export interface Target {
  readonly wish: Wish;
  /** The name that the Service has or should have; empty when there should be none. */
  readonly serviceName: string;
  readonly holder: Holder;
  readonly own: OwnInNamespace;
  /** What is to be seen here; undefined when nothing is. */
  readonly mirrored: MirroredService | undefined;
}

export function byName<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}
