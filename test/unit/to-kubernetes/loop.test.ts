import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../src/consul/types.ts';
import { createGrace } from '../../../src/to-kubernetes/grace.ts';
import { ToKubernetesLoop } from '../../../src/to-kubernetes/loop.ts';
import type { NamePlan } from '../../../src/to-kubernetes/plan/planner.ts';
import { instance } from '../builders.ts';
import { refusal } from './plain-api.ts';
import { namePlan, namespacePlan } from './plans.ts';

const GRACE_MS = 60_000;
const GONE = namePlan({ mirrored: false });

/** A loop among plain objects that write down what it does. Consul has what `instances` has; undefined was not read. */
class Stage {
  readonly did: string[] = [];
  instances: readonly ServiceInstance[] | undefined = [instance()];
  /** What a read of Consul brings. */
  answer: readonly ServiceInstance[] = [];
  /** False when there may be more instances than Consul shows. */
  isKnown = true;
  plan: NamePlan = namePlan();
  owns = true;
  takesIn = false;
  released: readonly string[] = [];
  noted: readonly string[] = [];
  now = 0;
  tagsWaitMs = 0;
  fails: (namespace: string) => Error | undefined = () => undefined;
  failures: ReadonlyMap<string, unknown> = new Map();
  readonly closed = new Set<string>();

  readonly #loop = new ToKubernetesLoop({
    planner: {
      plan: (name, expired) => this.#did(`plan ${name}${expired ? ' expired' : ''}`, this.plan),
      note: (name) => this.#did(`note ${name}`, this.noted),
      release: (name) => this.#did(`release ${name}`, this.released),
      isKnown: () => this.isKnown && this.instances !== undefined,
      isMirrored: () => (this.instances ?? []).length > 0,
      owns: () => this.owns,
    },
    catalog: {
      instances: () => this.instances,
      refresh: (name) => {
        this.instances = this.answer;
        return Promise.resolve(this.#did(`refresh ${name}`, undefined));
      },
      confirm: (name) => {
        this.instances = this.answer;
        return Promise.resolve(this.#did(`confirm ${name}`, undefined));
      },
      follow: (name) => this.#did(`follow ${name}`, undefined),
      unfollow: (name) => this.#did(`unfollow ${name}`, undefined),
    },
    hosts: { want: (host, name) => this.#did(`want ${host} for ${name}`, undefined) },
    writer: {
      apply: ({ namespace }) => {
        this.did.push(`apply ${namespace}`);
        const error = this.fails(namespace);
        return error === undefined ? Promise.resolve() : Promise.reject(error);
      },
    },
    namespaces: { isClosedNow: (name) => Promise.resolve(this.closed.has(name)) },
    grace: createGrace(
      () => GRACE_MS,
      () => this.now,
    ),
    tagsPace: { hold: (plan) => ({ plan, waitMs: this.tagsWaitMs }) },
    report: { plan: (_name, _plan, failures) => void (this.failures = failures) },
    fallbacks: { note: () => undefined },
    workloadEntries: { lookAgain: () => this.#did('look for WorkloadEntries', undefined) },
    imports: { takesIn: () => this.takesIn },
    queue: {
      written: (name) => this.#did(`written ${name}`, undefined),
      enqueue: (name) => this.#did(`enqueue ${name}`, undefined),
      enqueueAfter: (name, ms) => this.#did(`enqueue ${name} after ${ms}`, undefined),
    },
  });

  /** What it does for the name. */
  async reconcile(name = 'billing'): Promise<string[]> {
    this.did.length = 0;
    await this.#loop.reconcile(name);
    return [...this.did];
  }

  #did<T>(what: string, result: T): T {
    this.did.push(what);
    return result;
  }
}

const stage = (given: Partial<Stage> = {}) => Object.assign(new Stage(), given);
const inBoth = namePlan({ namespaces: [namespacePlan({ namespace: 'shop' }), namespacePlan({ namespace: 'web' })] });

describe('a Service that waits to be written for its tags alone', () => {
  it('is looked at again when that is over, and all else is written', async () => {
    const plan = namePlan({ namespaces: [namespacePlan()] });
    const it = stage({ plan, tagsWaitMs: 7000 });
    expect(await it.reconcile()).toEqual([
      ...['plan billing', 'note billing', 'enqueue billing after 7000', 'apply shop', 'follow billing'],
    ]);
  });
});

describe('a name that nobody can ask Consul for', () => {
  it('is planned without a question', async () => {
    const it = stage({ instances: undefined, owns: false, plan: GONE });
    expect(await it.reconcile('..')).toEqual(['plan ..', 'note ..', 'unfollow ..', 'release ..']);
  });
});

describe('a Consul service that is mirrored', () => {
  it('is planned, noted, and written in each namespace; it is followed, and its hosts are looked up', async () => {
    const it = stage({ plan: { ...inBoth, hosts: ['vm-1', 'vm-2'] } });
    expect(await it.reconcile()).toEqual([
      ...['plan billing', 'note billing', 'want vm-1 for billing', 'want vm-2 for billing'],
      ...['apply shop', 'apply web', 'follow billing'],
    ]);
  });

  it('over the limit is not followed, unless some Service takes it in', async () => {
    const overLimit = namePlan({ overLimit: true });
    expect(await stage({ plan: overLimit }).reconcile()).toContain('unfollow billing');
    expect(await stage({ plan: overLimit, takesIn: true }).reconcile()).toContain('follow billing');
  });

  it('gives up no claim', async () => {
    expect(await stage({ released: ['other'] }).reconcile()).not.toContain('enqueue other');
  });
});

describe('a name for which there is no place', () => {
  it('has those looked at again that gave way to it', async () => {
    const it = stage({ plan: namePlan({ overLimit: true }), noted: ['my_app'] });
    expect(await it.reconcile()).toEqual(['plan billing', 'note billing', 'enqueue my_app', 'unfollow billing']);
  });
});

describe('a namespace that cannot be written to', () => {
  const broken = new Error('broken');

  it('does not stop the others, is reported, and fails the name', async () => {
    const it = stage({ plan: inBoth, fails: (namespace) => (namespace === 'shop' ? broken : undefined) });
    await expect(it.reconcile()).rejects.toBe(broken);
    expect(it.did).toEqual(['plan billing', 'note billing', 'apply shop', 'apply web', 'follow billing']);
    expect([...it.failures]).toEqual([['shop', broken]]);
  });

  it.each([403, 404])('because it is closed, as an answer %d says, is no failure of the name', async (status) => {
    const refused = refusal('create', 'Service', 'shop/billing', status);
    const it = stage({ plan: inBoth, fails: (namespace) => (namespace === 'shop' ? refused : undefined) });
    await expect(it.reconcile()).rejects.toBe(refused);
    it.closed.add('shop');
    expect(await it.reconcile()).toContain('apply web');
    expect([...it.failures]).toEqual([]);
  });

  it('keeps the claim of a name that is gone until it is written', async () => {
    const gone = { ...inBoth, mirrored: false };
    const it = stage({ instances: [], plan: gone, owns: false, fails: () => broken });
    await expect(it.reconcile()).rejects.toBe(broken);
    expect(it.did).not.toContain('release billing');
  });

  it.each([
    [404, true],
    [422, false],
  ])('because of a WorkloadEntry that is answered with %d has the kind looked for: %p', async (status, looks) => {
    const it = stage({ plan: inBoth, fails: () => refusal('create', 'WorkloadEntry', 'shop/a', status) });
    await expect(it.reconcile()).rejects.toMatchObject({ status });
    expect(it.did.includes('look for WorkloadEntries')).toBe(looks);
  });
});

describe('a name that only Kubernetes knows, because Consul may have lost what it does not show', () => {
  it('is asked for before it is planned', async () => {
    const it = stage({ isKnown: false, answer: [instance()] });
    expect(await it.reconcile()).toEqual(['refresh billing', 'plan billing', 'note billing', 'follow billing']);
  });
});

describe('a name that only Kubernetes knows', () => {
  it('is asked for before it is planned', async () => {
    const it = stage({ instances: undefined, answer: [instance()] });
    expect(await it.reconcile()).toEqual(['refresh billing', 'plan billing', 'note billing', 'follow billing']);
  });

  it('is not planned when Consul does not answer', async () => {
    const it = stage({ instances: undefined });
    Object.defineProperty(it, 'answer', {
      get: () => {
        throw new Error('no leader');
      },
    });
    await expect(it.reconcile()).rejects.toThrow('no leader');
    expect(it.did).toEqual([]);
  });
});

describe('a Consul service that is gone', () => {
  it('keeps its Service for the grace period, and loses it then on a fresh answer of the leader', async () => {
    const it = stage({ instances: [], plan: GONE });
    const waits = (ms: number) => ['plan billing', 'note billing', 'unfollow billing', `enqueue billing after ${ms}`];
    expect(await it.reconcile()).toEqual(waits(GRACE_MS));
    it.now = 20_000;
    expect(await it.reconcile()).toEqual(waits(40_000));
    it.now = GRACE_MS;
    expect(await it.reconcile()).toEqual([
      ...['confirm billing', 'plan billing expired', 'note billing'],
      ...['unfollow billing', 'release billing'],
    ]);
  });

  it('has a whole grace period again after it was there in between', async () => {
    const it = stage({ instances: [], plan: GONE });
    await it.reconcile();
    Object.assign(it, { now: 50_000, instances: [instance()], plan: namePlan() });
    await it.reconcile();
    Object.assign(it, { now: GRACE_MS, instances: [], plan: GONE });
    expect(await it.reconcile()).toContain(`enqueue billing after ${GRACE_MS}`);
  });

  it('and has no Service gives up its claim at once, so that those who waited are looked at again', async () => {
    const it = stage({ instances: [], plan: GONE, owns: false, released: ['my-app', 'other'] });
    expect(await it.reconcile()).toEqual([
      ...['plan billing', 'note billing', 'unfollow billing'],
      ...['release billing', 'enqueue my-app', 'enqueue other'],
    ]);
  });

  it('is followed as long as some Service takes it in', async () => {
    expect(await stage({ instances: [], plan: GONE, takesIn: true }).reconcile()).toContain('follow billing');
  });
});
