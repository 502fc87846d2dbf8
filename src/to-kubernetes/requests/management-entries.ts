import type { ServiceInstance } from '../../consul/types.ts';
import type { Catalog } from '../views.ts';

/** Spring's own mark, where somebody sets the tags of the management entry as its manual says. */
const MANAGEMENT_TAG = 'management';

/**
 * The entries that Spring registers for the management port of an application, beside the application itself. Their marks tell
 * them, and not their names, because the suffix is a setting of Spring, and applications may be called alike:
 *
 * | the instance                                                                            | is a management entry |
 * |-----------------------------------------------------------------------------------------|-----------------------|
 * | has the tag `management`                                                                | yes                   |
 * | has as ID the name of its service                                                       | no                    |
 * | of `orders-mgmt`, its ID is that of an instance of `orders` on the same Consul node, and `-mgmt` | yes          |
 * | was one before, and the application has gone first                                      | yes                   |
 * | any other                                                                               | no                    |
 */
export class ManagementEntries {
  readonly #catalog: Pick<Catalog, 'instances'>;
  /** What was found by the ID: the mark by the instance, by the lower-case name of the Consul service. */
  readonly #found = new Map<string, ReadonlyMap<string, string>>();
  /** Names with an instance that an application could yet come to own. */
  readonly #open = new Set<string>();

  constructor(catalog: Pick<Catalog, 'instances' | 'names'>) {
    this.#catalog = catalog;
    for (const name of catalog.names()) this.learn(name);
  }

  /** By which mark an instance is one, in words; undefined when it is none. */
  markOf(instance: ServiceInstance): string | undefined {
    if (instance.tags.includes(MANAGEMENT_TAG)) return `it has the tag ${MANAGEMENT_TAG}`;
    return this.#markByID(instance);
  }

  /** Consul told something of that name. Returns the other names of which something else is true now. */
  learn(name: string): string[] {
    this.#look(name);
    return [...this.#open].filter((other) => other.startsWith(`${name}-`) && this.#look(other));
  }

  /** True when other instances are management entries than before. */
  #look(name: string): boolean {
    const before = this.#found.get(name);
    const candidates = (this.#catalog.instances(name) ?? []).filter((instance) => endsOf(instance).length > 0);
    const found = new Map(
      candidates.flatMap((instance) => {
        const mark = this.#markByID(instance);
        return mark === undefined ? [] : [[identityOf(instance), mark]];
      }),
    );
    if (candidates.length > 0) this.#open.add(name);
    else this.#open.delete(name);
    if (found.size > 0) this.#found.set(name, found);
    else this.#found.delete(name);
    return [...found.keys()].join() !== [...(before?.keys() ?? [])].join();
  }

  #markByID(instance: ServiceInstance): string | undefined {
    const { service, node, id } = instance;
    for (const end of endsOf(instance)) {
      const application = service.slice(0, -end.length);
      const owner = id.slice(0, -end.length);
      const others = this.#catalog.instances(application.toLowerCase()) ?? [];
      if (others.some((other) => other.node === node && other.id === owner))
        return `its ID is that of ${application} on the same Consul node, ${owner}, and ${end}`;
    }
    return this.#found.get(service.toLowerCase())?.get(identityOf(instance));
  }
}

/** The ends of the service's name, from a dash on, that its ID has too. An ID that is just the name is nobody else's. */
function endsOf({ service, id }: ServiceInstance): string[] {
  if (id.toLowerCase() === service.toLowerCase()) return [];
  const dashes = [...service.matchAll(/-/g)].map(({ index }) => index).filter((index) => index > 0);
  return dashes.map((index) => service.slice(index)).filter((end) => id.length > end.length && id.endsWith(end));
}

function identityOf({ node, id }: ServiceInstance): string {
  return `${node}/${id}`;
}
