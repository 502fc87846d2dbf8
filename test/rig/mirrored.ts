import type { Rig } from './index.ts';
import type { EventNote, Manifest } from './kubernetes.ts';

export interface SliceManifest extends Manifest {
  readonly addressType: string;
  readonly ports: { name: string; port: number; protocol: string; appProtocol?: string }[];
  readonly endpoints: { addresses: string[]; conditions: object; zone?: string }[] | null;
}
export interface ServiceManifest extends Manifest {
  readonly spec: {
    type: string;
    clusterIP: string;
    clusterIPs: string[];
    ipFamilies: string[];
    ipFamilyPolicy: string;
    selector?: object;
    ports: { name: string; port: number; protocol: string }[];
  };
}

/** A mirrored Service as the tests look at it, in the real API server. */
export class Mirrored {
  readonly #rig: Pick<Rig, 'kubernetes'>;
  readonly #namespace: string;

  constructor(rig: Pick<Rig, 'kubernetes' | 'namespace'>, namespace = rig.namespace) {
    this.#rig = rig;
    this.#namespace = namespace;
  }

  path(kind: 'services' | 'endpoints', name: string): string {
    return `/api/v1/namespaces/${this.#namespace}/${kind}/${name}`;
  }

  slicePath(name: string): string {
    return `/apis/discovery.k8s.io/v1/namespaces/${this.#namespace}/endpointslices/${name}`;
  }

  async service(name: string): Promise<ServiceManifest | undefined> {
    return (await this.#rig.kubernetes.find(this.path('services', name))) as ServiceManifest | undefined;
  }

  async slices(name: string): Promise<SliceManifest[]> {
    const selector = `labelSelector=kubernetes.io/service-name%3D${name}`;
    return (await this.#rig.kubernetes.list(`${this.slicePath('').slice(0, -1)}?${selector}`)) as SliceManifest[];
  }

  endpoints(name: string): Promise<Manifest | undefined> {
    return this.#rig.kubernetes.find(this.path('endpoints', name));
  }

  /** What it offers to those who read slices: `address:port`, in order. */
  async addresses(name: string): Promise<string[]> {
    const slices = await this.slices(name);
    return slices
      .flatMap(({ ports, endpoints }) =>
        (endpoints ?? []).map((endpoint) => `${endpoint.addresses.join()}:${ports[0]?.port ?? 0}`),
      )
      .sort();
  }

  /** The same to those who read v1 Endpoints. */
  async legacyAddresses(name: string): Promise<string[]> {
    const subsets = ((await this.endpoints(name))?.subsets ?? []) as {
      addresses: { ip: string }[];
      ports: { port: number }[];
    }[];
    return subsets.flatMap(({ addresses, ports }) => addresses.map(({ ip }) => `${ip}:${ports[0]?.port ?? 0}`)).sort();
  }

  /** Everything that it consists of, with versions: any write at all shows. */
  async all(name: string): Promise<object> {
    return {
      service: await this.service(name),
      slices: await this.slices(name),
      endpoints: await this.endpoints(name),
    };
  }

  /** Names of the Services that stand for Consul services here. */
  async names(): Promise<string[]> {
    const selector = 'labelSelector=app.kubernetes.io/managed-by%3Dconsular';
    const services = await this.#rig.kubernetes.list(`${this.path('services', '').slice(0, -1)}?${selector}`);
    return services.map(({ metadata }) => metadata.name).sort();
  }

  events(name: string): Promise<EventNote[]> {
    return this.#rig.kubernetes.eventsAbout(this.#namespace, name);
  }
}
