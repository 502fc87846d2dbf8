/** An event of a watch of EndpointSlices, as far as the benchmark looks into it. */
export interface SliceEvent {
  readonly type: string;
  readonly object: {
    readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
    readonly endpoints?: readonly { readonly addresses: readonly string[] }[] | null;
  };
}

interface Slice {
  readonly service: string;
  readonly addresses: ReadonlySet<string>;
}

/** Which addresses each service has, over all of its slices. */
export class Endpoints {
  readonly #slices = new Map<string, Slice>();
  readonly #slicesOf = new Map<string, Set<string>>();
  #total = 0;

  /** In all slices; an address in two of them counts twice. */
  get total(): number {
    return this.#total;
  }

  has(service: string, address: string): boolean {
    const names = [...(this.#slicesOf.get(service) ?? [])];
    return names.some((name) => this.#slices.get(name)?.addresses.has(address));
  }

  take({ type, object }: SliceEvent): void {
    const { name, labels } = object.metadata;
    const before = this.#slices.get(name);
    if (before) {
      this.#total -= before.addresses.size;
      this.#slices.delete(name);
      this.#slicesOf.get(before.service)?.delete(name);
    }
    if (type === 'DELETED') return;
    const service = labels?.['kubernetes.io/service-name'] ?? '';
    const addresses = new Set((object.endpoints ?? []).flatMap((endpoint) => endpoint.addresses));
    this.#slices.set(name, { service, addresses });
    this.#slicesOf.set(service, (this.#slicesOf.get(service) ?? new Set<string>()).add(name));
    this.#total += addresses.size;
  }
}
