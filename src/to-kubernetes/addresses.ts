import { judgeAddress, type Judged } from '../address.ts';
import { serviceKeyOf, type EndpointSlice, type Service } from '../kubernetes/objects.ts';
import { Index } from '../kubernetes/view.ts';
import type { Views } from './views.ts';

/** From the address of an instance, as Consul tells it, to one that an endpoint can have in this cluster. */
export class Addresses {
  readonly #clusterIPs: Index<Service>;
  readonly #apiServer: Index<EndpointSlice>;

  constructor(views: Views) {
    this.#clusterIPs = new Index(views.services, ({ clusterIPs }) => clusterIPs);
    this.#apiServer = new Index(views.endpointSlices, (slice) =>
      serviceKeyOf(slice) === 'default/kubernetes' ? slice.endpoints.map(({ address }) => address) : [],
    );
  }

  judge(text: string): Judged {
    return judgeAddress(text, (address) => this.#isReserved(address));
  }

  /** Addresses inside Kubernetes that no endpoint can be: another Service's ClusterIP, or the API server. */
  #isReserved(address: string): boolean {
    return this.#clusterIPs.get(address).length > 0 || this.#apiServer.get(address).length > 0;
  }
}
