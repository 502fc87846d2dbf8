import type { ServiceInstance } from '../consul/types.ts';
import type { Catalog } from './views.ts';
import { instancesWith, tagServiceNamed, tagServicesOf, type TagServices } from './requests/tag-services.ts';

/** What this direction asks of Consul's services, by lower-case names: what is known, and that more be read. */
export interface ReadCatalog extends Catalog {
  subscribe(listener: (name: string) => void): void;
  /** @throws ConsulError, UntrustworthyAnswer; NotBelieved when it was taken in part */
  refresh(name: string): Promise<void>;
  /** For a removal. @throws the same, when nothing may be removed on the answer */
  confirm(name: string): Promise<void>;
  /** Has it read although the settings do not select it. */
  want(name: string): void;
  unwant(name: string): void;
  /** It is mirrored or taken in: it is followed by a long poll of its own, when there is room. */
  follow(name: string): void;
  unfollow(name: string): void;
}

/**
 * Consul's services, and beside them those that stand for one tag of a service, which are read with it:
 *
 * | asked of one that stands for a tag | is                                                              |
 * |------------------------------------|-----------------------------------------------------------------|
 * | its instances                      | those of the service that have the tag                          |
 * | whether they are all               | the same of the service                                         |
 * | to be read, or confirmed           | the same of the service                                         |
 * | to be followed                     | the same of the service, for as long as anything of it is       |
 * | to be read because it is taken in  | the same of the service, for as long as anything of it is taken in |
 */
export class TaggedCatalog implements ReadCatalog {
  readonly #catalog: ReadCatalog;
  readonly #settings: readonly TagServices[];
  /** What is taken in of a Consul service: itself, or single tags. */
  readonly #wanted = new NamesOfServices();
  /** What of a Consul service is followed. */
  readonly #followed = new NamesOfServices();

  constructor(catalog: ReadCatalog, settings: readonly TagServices[]) {
    this.#catalog = catalog;
    this.#settings = settings;
  }

  /** Of those for tags the ones that some instance has. */
  names(): string[] {
    const names = this.#catalog.names();
    const tagged = names.flatMap((service) => tagServicesOf(this.#settings, service));
    return [...names, ...tagged.filter((one) => (this.instances(one.name) ?? []).length > 0).map(({ name }) => name)];
  }

  spelling(name: string): string {
    const tagged = this.#tagged(name);
    return tagged ? `${this.#catalog.spelling(tagged.service)}/${tagged.tag}` : this.#catalog.spelling(name);
  }

  instances(name: string): readonly ServiceInstance[] | undefined {
    const tagged = this.#tagged(name);
    if (!tagged) return this.#catalog.instances(name);
    const instances = this.#catalog.instances(tagged.service);
    return instances && instancesWith(instances, tagged);
  }

  isComplete(name: string): boolean {
    return this.#catalog.isComplete(this.#serviceOf(name));
  }

  stays(name: string, address: string, port: number): boolean {
    return this.#catalog.stays(this.#serviceOf(name), address, port);
  }

  subscribe(listener: (name: string) => void): void {
    this.#catalog.subscribe((service) => {
      listener(service);
      for (const { name } of tagServicesOf(this.#settings, service)) listener(name);
    });
  }

  refresh(name: string): Promise<void> {
    return this.#catalog.refresh(this.#serviceOf(name));
  }

  confirm(name: string): Promise<void> {
    return this.#catalog.confirm(this.#serviceOf(name));
  }

  want(name: string): void {
    const service = this.#serviceOf(name);
    this.#wanted.add(service, name);
    this.#catalog.want(service);
  }

  unwant(name: string): void {
    const service = this.#serviceOf(name);
    if (this.#wanted.takeLast(service, name)) this.#catalog.unwant(service);
  }

  follow(name: string): void {
    const service = this.#serviceOf(name);
    this.#followed.add(service, name);
    this.#catalog.follow(service);
  }

  unfollow(name: string): void {
    const service = this.#serviceOf(name);
    if (this.#followed.takeLast(service, name)) this.#catalog.unfollow(service);
  }

  #tagged(name: string) {
    return tagServiceNamed(this.#settings, name);
  }

  #serviceOf(name: string): string {
    return this.#tagged(name)?.service ?? name;
  }
}

/** Services, each with those names of it that are there for something. */
class NamesOfServices {
  readonly #names = new Map<string, Set<string>>();

  add(service: string, name: string): void {
    this.#names.set(service, (this.#names.get(service) ?? new Set()).add(name));
  }

  /** Takes the name away. True when no other name of the service is left. */
  takeLast(service: string, name: string): boolean {
    const names = this.#names.get(service);
    names?.delete(name);
    if (names && names.size > 0) return false;
    this.#names.delete(service);
    return true;
  }
}
