import { assignLabel, toHashedLabel, toLabel } from './naming.ts';
import type { OwnObjects } from './own-objects.ts';

export interface AssignedLabel {
  readonly label: string;
  /** The names that want the plain label too, when this one did not get it. */
  readonly rivals: readonly string[];
}

/** Who wants and who has which name of a Service. What `naming.ts` decides for one moment, over time. */
export class Labels {
  readonly #own: OwnObjects;
  /** Names by the label they would like, kept for ever: there are only so many names. */
  readonly #namesOfLabel = new Map<string, Set<string>>();
  /** The name that has to take that label when another has the plain one. */
  readonly #nameOfHashedLabel = new Map<string, string>();
  readonly #labelOfName = new Map<string, string>();

  constructor(own: OwnObjects, names: readonly string[]) {
    this.#own = own;
    for (const name of names) this.#label(name);
  }

  /** Names that would like a Service of that name, or may have to take it. */
  namesWanting(serviceName: string): Iterable<string> {
    const hashed = this.#nameOfHashedLabel.get(serviceName);
    return [...(this.#namesOfLabel.get(serviceName) ?? []), ...(hashed === undefined ? [] : [hashed])];
  }

  /** Names that want the same label, `name` among them: when one comes or goes, the others may get another. */
  siblings(name: string): Iterable<string> {
    return this.#namesOfLabel.get(this.#label(name)) ?? [];
  }

  /** @param contends true for a name that is to have a Service, or has one */
  assigned(name: string, namespace: string, contends: (name: string) => boolean): AssignedLabel {
    const contenders = [...this.siblings(name)].filter((other) => other === name || contends(other));
    const label = assignLabel(name, contenders, (other) => this.#held(other, namespace));
    const rivals = label === toLabel(name) ? [] : contenders.filter((other) => other !== name).sort();
    return { label, rivals };
  }

  /**
   * The name of the Service that a Consul service has: one of the two that it can have, and not that of any copy. Of both,
   * the one that our slices belong to.
   */
  #held(name: string, namespace: string): string | undefined {
    const labels = [toLabel(name), toHashedLabel(name)];
    const services = this.#own
      .services(name)
      .filter((service) => service.namespace === namespace && labels.includes(service.name));
    const owners = new Set(this.#own.slices(name).map(({ ownerUid }) => ownerUid));
    const [held] = services.sort(
      (a, b) =>
        Number(owners.has(b.uid)) - Number(owners.has(a.uid)) || labels.indexOf(a.name) - labels.indexOf(b.name),
    );
    return held?.name;
  }

  #label(name: string): string {
    const known = this.#labelOfName.get(name);
    if (known !== undefined) return known;
    const label = toLabel(name);
    this.#labelOfName.set(name, label);
    this.#nameOfHashedLabel.set(toHashedLabel(name), name);
    this.#namesOfLabel.set(label, (this.#namesOfLabel.get(label) ?? new Set<string>()).add(name));
    return label;
  }
}
