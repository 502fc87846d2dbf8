import { assignServiceName, toHashedServiceName, toServiceName } from './service-name.ts';
import type { OwnObjects } from '../observed/own-objects.ts';

export interface AssignedName {
  readonly serviceName: string;
  /** The Consul names that want the plain name too, when this name did not get it. */
  readonly rivals: readonly string[];
}

/** The Service names that a Consul name can have. */
interface Possible {
  readonly plain: string;
  readonly hashed: string;
}

/**
 * Which Consul names want and have which name of a Service: what `service-name.ts` decides for one moment, over time. A name
 * is known from `add` to `forget`; asking changes nothing.
 */
export class ServiceNames {
  readonly #own: OwnObjects;
  readonly #known = new Map<string, Possible>();
  /** Consul names by the Service name that they would like. */
  readonly #byPlain = new Map<string, Set<string>>();
  /** The Consul name that has to take that Service name when another has the plain one. */
  readonly #byHashed = new Map<string, string>();

  constructor(own: OwnObjects, names: readonly string[]) {
    this.#own = own;
    for (const name of names) this.add(name);
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  add(name: string): void {
    if (this.#known.has(name)) return;
    const possible = { plain: toServiceName(name), hashed: toHashedServiceName(name) };
    this.#known.set(name, possible);
    this.#byHashed.set(possible.hashed, name);
    const names = this.#byPlain.get(possible.plain);
    if (names) names.add(name);
    else this.#byPlain.set(possible.plain, new Set([name]));
  }

  forget(name: string): void {
    const possible = this.#known.get(name);
    if (!possible) return;
    this.#known.delete(name);
    this.#byHashed.delete(possible.hashed);
    const names = this.#byPlain.get(possible.plain);
    names?.delete(name);
    if (names?.size === 0) this.#byPlain.delete(possible.plain);
  }

  /** Known names that would like a Service of that name, or may have to take it. */
  namesWanting(serviceName: string): string[] {
    const hashed = this.#byHashed.get(serviceName);
    return [...(this.#byPlain.get(serviceName) ?? []), ...(hashed === undefined ? [] : [hashed])];
  }

  /** Other known names that would like the same. */
  sharing(name: string): string[] {
    const plain = this.#known.get(name)?.plain ?? toServiceName(name);
    return [...(this.#byPlain.get(plain) ?? [])].filter((other) => other !== name);
  }

  /** @param contends true for a name that is to have a Service, or has one */
  assigned(name: string, namespace: string, contends: (name: string) => boolean): AssignedName {
    const plain = this.#known.get(name)?.plain ?? toServiceName(name);
    const others = this.sharing(name).filter(contends);
    const serviceName = assignServiceName(name, [name, ...others], (other) => this.#held(other, namespace));
    return { serviceName, rivals: serviceName === plain ? [] : others.sort() };
  }

  /**
   * The name of the Service that a Consul service has: one of the two that it can have, and not that of any copy. Of both,
   * the one that our slices belong to.
   */
  #held(name: string, namespace: string): string | undefined {
    const observed = this.#own.services(name).filter((service) => service.namespace === namespace);
    if (observed.length === 0) return undefined;
    const possible = [toServiceName(name), toHashedServiceName(name)];
    const owners = new Set(this.#own.slices(name).map(({ ownerUid }) => ownerUid));
    const [held] = observed
      .filter((service) => possible.includes(service.name))
      .sort(
        (a, b) =>
          Number(owners.has(b.uid)) - Number(owners.has(a.uid)) || possible.indexOf(a.name) - possible.indexOf(b.name),
      );
    return held?.name;
  }
}
