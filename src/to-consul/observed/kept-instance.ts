import type { CheckStatus } from '../../consul/types.ts';
import { identityOf, type ConsulNode, type Registration } from '../registration/registration.ts';
import { fillIn, fits, formOf, idOf, timeIn, type Facts, type Form } from './form.ts';
import type { NamedInstance, OwnInstance } from './own-instance.ts';

/** So many forms of one service are tried. With more of them (each pod has meta of its own), some are kept more than once. */
const MOST_FORMS = 8;

/**
 * An instance of ours as it is kept: what the pods of a workload have in common is kept once, in a form, and what follows from
 * the rest is not kept at all. The registration is made anew, each text the same to the letter, each time that somebody asks for it. So
 * everything that is decided about an instance is decided on what Consul has, and nobody has to read that again to know it.
 */
export class KeptInstance implements OwnInstance, NamedInstance {
  readonly podKey: string;
  readonly podUid: string;
  readonly serviceIndex: number;
  readonly checkIndex: number;
  /** A property of the object itself, so that a copy by spread has it. */
  declare readonly registration: Registration;
  readonly #node: ConsulNode;
  readonly #status: CheckStatus;
  readonly #form: Form;
  readonly #address: string;
  readonly #taggedAddresses: ReadonlyMap<string, string>;
  /** In seconds since `EPOCH_S`; undefined for an output without a time. */
  readonly #time: number | undefined;

  /**
   * @param forms of the service, the one that was used last first; a new form is added there
   * @param beside an instance on the same Consul node
   * @param podKey as the pod's other instances have it
   */
  constructor(observed: OwnInstance, forms: Form[], beside: KeptInstance | undefined, podKey: string) {
    const { registration, podUid, serviceIndex, checkIndex } = observed;
    const { node, address, taggedAddresses, check } = registration;
    this.podKey = podKey;
    this.podUid = podUid;
    this.serviceIndex = serviceIndex;
    this.checkIndex = checkIndex;
    this.#node = beside && isSameNode(beside.#node, node) ? beside.#node : node;
    this.#status = check.status;
    this.#address = address;
    this.#taggedAddresses = taggedAddresses.size === 0 ? NO_ADDRESSES : taggedAddresses;
    const time = timeIn(check.output);
    const seconds = secondsOf(time);
    const isExact = textOf(seconds) === time;
    this.#time = isExact ? seconds : undefined;
    this.#form = takeForm(forms, registration, this.#facts(isExact ? time : ''));
    Object.defineProperty(this, 'registration', REGISTRATION);
  }

  get nodeName(): string {
    return this.#node.name;
  }

  get status(): CheckStatus {
    return this.#status;
  }

  /** The name of the Consul service. */
  get service(): string {
    return this.#form.service;
  }

  get id(): string {
    return idOf(this.#form, this.#facts(''));
  }

  /** As `identityOf` the registration. */
  get identity(): string {
    return identityOf({ node: this.#node, id: this.id });
  }

  /** What `registration` is. */
  static registrationOf(instance: KeptInstance): Registration {
    const facts = instance.#facts(textOf(instance.#time));
    const { id, service, port, weight, tags, meta, notes, output } = fillIn(instance.#form, facts);
    return {
      node: instance.#node,
      id,
      service,
      address: instance.#address,
      port,
      taggedAddresses: instance.#taggedAddresses,
      tags,
      meta,
      weight,
      check: { status: instance.#status, notes, output },
    };
  }

  #facts(time: string): Facts {
    const { podKey, podUid } = this;
    // As `nodeNameOf` makes the name of a Consul node.
    const { name } = this.#node;
    return { podKey, podUid, node: name.slice(name.indexOf('--') + 2), time };
  }
}

/** One for all instances: V8 then keeps nothing of it in each. */
const REGISTRATION: PropertyDescriptor = {
  enumerable: true,
  get(this: KeptInstance) {
    return KeptInstance.registrationOf(this);
  },
};

const NO_ADDRESSES: ReadonlyMap<string, string> = new Map();

function isSameNode(a: ConsulNode, b: ConsulNode): boolean {
  return a.name === b.name && a.address === b.address;
}

/** The form of a registration, which comes to the front. */
function takeForm(forms: Form[], registration: Registration, facts: Facts): Form {
  const at = forms.findIndex((form) => fits(form, registration, facts));
  const form = forms[at] ?? formOf(registration, facts, forms[0]);
  if (at === 0) return form;
  if (at > 0) forms.splice(at, 1);
  forms.unshift(form);
  if (forms.length > MOST_FORMS) forms.pop();
  return form;
}

/** 2020 began then: as a whole number of 31 bits, a time needs no memory of its own until 2088. */
const EPOCH_S = 1_577_836_800;

function secondsOf(time: string): number | undefined {
  const ms = time === '' ? NaN : Date.parse(time);
  return Number.isNaN(ms) ? undefined : (ms / 1000 - EPOCH_S) | 0;
}

function textOf(seconds: number | undefined): string {
  return seconds === undefined ? '' : `${new Date((seconds + EPOCH_S) * 1000).toISOString().slice(0, 19)}Z`;
}
