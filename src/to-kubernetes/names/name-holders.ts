import { assignServiceName, toHashedServiceName, toServiceName } from './service-name.ts';
import type { OwnObjects } from '../observed/own-objects.ts';

export interface AssignedName {
  readonly serviceName: string;
  /** The names that want the plain name too, when this one did not get it. */
  readonly rivals: readonly string[];
}

/** Who wants and who has which name of a Service. What `naming.ts` decides for one moment, over time. */
export class ServiceNames {
  readonly #own: OwnObjects;
  /** Consul names by the Service name that they would like, kept for ever: there are only so many names. */
  readonly #namesByServiceName = new Map<string, Set<string>>();
  /** The Consul name that has to take that Service name when another has the plain one. */
  readonly #nameByHashed = new Map<string, string>();
  readonly #serviceNames = new Map<string, string>();

  constructor(own: OwnObjects, names: readonly string[]) {
    this.#own = own;
    for (const name of names) this.#wanted(name);
  }

  /** Names that would like a Service of that name, or may have to take it. */
  namesWanting(serviceName: string): Iterable<string> {
    const hashed = this.#nameByHashed.get(serviceName);
    return [...(this.#namesByServiceName.get(serviceName) ?? []), ...(hashed === undefined ? [] : [hashed])];
  }

  /** Names that want the same Service name, `name` among them: when one comes or goes, the others may get another. */
  siblings(name: string): Iterable<string> {
    return this.#namesByServiceName.get(this.#wanted(name)) ?? [];
  }

  /** @param contends true for a name that is to have a Service, or has one */
  assigned(name: string, namespace: string, contends: (name: string) => boolean): AssignedName {
    const contenders = [...this.siblings(name)].filter((other) => other === name || contends(other));
    const serviceName = assignServiceName(name, contenders, (other) => this.#held(other, namespace));
    const rivals = serviceName === toServiceName(name) ? [] : contenders.filter((other) => other !== name).sort();
    return { serviceName, rivals };
  }

  /**
   * The name of the Service that a Consul service has: one of the two that it can have, and not that of any copy. Of both,
   * the one that our slices belong to.
   */
  #held(name: string, namespace: string): string | undefined {
    const possible = [toServiceName(name), toHashedServiceName(name)];
    const services = this.#own
      .services(name)
      .filter((service) => service.namespace === namespace && possible.includes(service.name));
    const owners = new Set(this.#own.slices(name).map(({ ownerUid }) => ownerUid));
    const [held] = services.sort(
      (a, b) =>
        Number(owners.has(b.uid)) - Number(owners.has(a.uid)) || possible.indexOf(a.name) - possible.indexOf(b.name),
    );
    return held?.name;
  }

  #wanted(name: string): string {
    const known = this.#serviceNames.get(name);
    if (known !== undefined) return known;
    const serviceName = toServiceName(name);
    this.#serviceNames.set(name, serviceName);
    this.#nameByHashed.set(toHashedServiceName(name), name);
    this.#namesByServiceName.set(
      serviceName,
      (this.#namesByServiceName.get(serviceName) ?? new Set<string>()).add(name),
    );
    return serviceName;
  }
}
