import { describe, expect, it } from '@jest/globals';
import { Distrust } from '../../../../src/consul/distrust.ts';
import { META, MANAGED_BY } from '../../../../src/mark.ts';
import { followOwnNode, OwnWitness } from '../../../../src/to-consul/identity/own-witness.ts';
import { owner } from '../../builders.ts';
import { settled, TestClock } from '../../clock.ts';
import { answer, Answers, type Said } from '../../consul/answers.ts';

const ENTRY = '/catalog/node-services/k8s-prod consistent=';
const KNOWN = { nonce: 'n1', nodeIndex: 10, serviceIndex: 11 };

const servers = (...ids: string[]) => answer(ids.map((ID) => ({ Node: { ID, Node: `server-${ID}` } })));
const nothing = answer(null);
function entry({ nonce = 'n1', nodeIndex = 10, serviceIndex = 11, id = 'consular-prod' } = {}) {
  const Meta = { [META.managedBy]: MANAGED_BY, ...(nonce === '' ? {} : { nonce }) };
  return answer({
    Node: { Node: 'k8s-prod', Address: '192.0.2.1', Meta: {}, ModifyIndex: nodeIndex },
    Services: [{ ID: id, Service: 'consular', Meta, ModifyIndex: serviceIndex }],
  });
}

/** A witness of a Consul with servers a and b, in which then is what the test says. */
async function stage(said: { entry?: Said | Promise<Said>; servers?: Said } = {}) {
  const now = { entry: entry() as Said | Promise<Said>, servers: servers('a', 'b') as Said, ...said };
  let isFirst = true;
  const consul = new Answers((question) => {
    if (!isFirst) return question === ENTRY ? now.entry : now.servers;
    isFirst = false;
    return servers('a', 'b');
  });
  const clock = new TestClock();
  const distrust = new Distrust(clock);
  const witness = await OwnWitness.read({ client: consul, owner, distrust, clock });
  consul.asked.length = 0;
  return { clock, consul, distrust, now, witness, sign: () => distrust.loss?.sign };
}

describe('the entry as witness', () => {
  it('is there while it has the nonce, asked of the leader each time', async () => {
    const { consul, witness } = await stage();
    witness.trust(KNOWN);
    await witness.assertThere();
    await witness.assertThere();
    expect([consul.asked, witness.failure]).toEqual([[ENTRY, ENTRY], undefined]);
  });

  it('has the indexes that it was last seen with', async () => {
    const { now, witness } = await stage();
    witness.trust(KNOWN);
    now.entry = entry({ serviceIndex: 20 });
    await witness.assertThere();
    expect(witness.known).toEqual({ ...KNOWN, serviceIndex: 20 });
  });

  it.each<[string, Said]>([
    ['there is no such node', nothing],
    ['there is no entry on the node', entry({ id: 'consular-dev' })],
    ['the entry has no nonce', entry({ nonce: '' })],
    ['the entry has another nonce', entry({ nonce: 'n2' })],
  ])('is missing when %s', async (_, said) => {
    const { witness } = await stage({ entry: said });
    witness.trust(KNOWN);
    await expect(witness.assertThere()).rejects.toThrow('found none: it was lost, the token lost its rights');
    expect(witness.failure).toMatch(/^it was lost/);
  });

  it.each([
    ['the service', { serviceIndex: 9 }],
    ['the node', { nodeIndex: 9 }],
  ])('that is older than it was, by the index of %s, says that time went back', async (_, older) => {
    const { now, sign, witness } = await stage();
    witness.trust(KNOWN);
    now.entry = entry(older);
    await witness.assertThere();
    expect([sign(), witness.known]).toEqual(['older-entry', { ...KNOWN, ...older }]);
  });

  it('that is not readable is an error, and not missing', async () => {
    const { witness } = await stage({ entry: new Error('connection refused') });
    witness.trust(KNOWN);
    await expect(witness.assertThere()).rejects.toThrow('connection refused');
    expect(witness.failure).toBeUndefined();
  });

  it('that is missing is asked for again after half a second, and not for each who wants to know', async () => {
    const { clock, consul, now, witness } = await stage({ entry: nothing });
    witness.trust(KNOWN);
    for (let i = 0; i < 3; i++) await expect(witness.assertThere()).rejects.toThrow('none');
    expect(consul.asked).toEqual([ENTRY]);
    now.entry = entry();
    await clock.advance(500);
    await witness.assertThere();
    expect([consul.asked, witness.failure]).toEqual([[ENTRY, ENTRY], undefined]);
  });

  it('is not judged by an answer that its own writing overtook', async () => {
    let arrive: (said: Said) => void = () => undefined;
    const { consul, now, sign, witness } = await stage({ entry: new Promise<Said>((resolve) => (arrive = resolve)) });
    witness.trust(KNOWN);
    const asserted = witness.assertThere();
    witness.trust({ nonce: 'n2', nodeIndex: 20, serviceIndex: 20 });
    now.entry = entry({ nonce: 'n2', nodeIndex: 20, serviceIndex: 20 });
    arrive(entry());
    await asserted;
    expect([consul.asked, sign(), witness.failure]).toEqual([[ENTRY, ENTRY], undefined, undefined]);
  });
});

describe('an entry that is missing', () => {
  it('is restored, and then it is there for whoever only wants to write', async () => {
    const { witness } = await stage({ entry: nothing });
    witness.trust(KNOWN);
    let restored = 0;
    witness.restoredBy(() => Promise.resolve(void restored++));
    await witness.ensureThere();
    expect(restored).toBeGreaterThan(0);
  });

  it('that cannot be restored is an error for them too', async () => {
    const { witness } = await stage({ entry: nothing });
    witness.trust(KNOWN);
    witness.restoredBy(() => Promise.reject(new Error('denied')));
    await expect(witness.ensureThere()).rejects.toThrow('denied');
  });

  it('is an error where nobody restores it', async () => {
    const { witness } = await stage({ entry: nothing });
    witness.trust(KNOWN);
    await expect(witness.ensureThere()).rejects.toThrow('none');
  });
});

describe('a look at the node of the entry', () => {
  const look = (witness: OwnWitness, said: Said) => {
    if (said instanceof Error) throw said;
    return followOwnNode(owner, witness).onAnswer(said);
  };

  it('follows the node', () => {
    expect(followOwnNode(owner, { look: () => undefined }).request).toMatchObject({ params: { node: 'k8s-prod' } });
  });

  it.each<[string, Said]>([
    ['does not show it', nothing],
    ['shows an older one', entry({ serviceIndex: 9 })],
  ])('that %s is of before it was written, perhaps: the leader is asked', async (_, said) => {
    const { consul, sign, witness } = await stage();
    witness.trust(KNOWN);
    await look(witness, said);
    await settled();
    expect([consul.asked, witness.failure, sign()]).toEqual([[ENTRY], undefined, undefined]);
  });

  it('that the leader confirms makes it missing', async () => {
    const { witness } = await stage({ entry: nothing });
    witness.trust(KNOWN);
    await look(witness, nothing);
    await settled();
    expect(witness.failure).toMatch(/^it was lost/);
  });

  it('that shows it makes it there again', async () => {
    const { consul, witness } = await stage({ entry: nothing });
    witness.trust(KNOWN);
    await expect(witness.assertThere()).rejects.toThrow();
    await look(witness, entry({ serviceIndex: 30 }));
    expect([consul.asked, witness.failure, witness.known?.serviceIndex]).toEqual([[ENTRY], undefined, 30]);
  });

  it('says nothing while the servers are the witness', async () => {
    const { consul, witness } = await stage();
    await look(witness, nothing);
    expect([consul.asked, witness.known]).toEqual([[], undefined]);
  });
});

describe('the servers of Consul as witness', () => {
  it.each<[string, Said]>([
    ['all are there', servers('a', 'b')],
    ['one of them is there, beside a new one', servers('b', 'c')],
  ])('are there when %s', async (_, said) => {
    const { witness } = await stage({ servers: said });
    await expect(witness.assertThere()).resolves.toBeUndefined();
  });

  it('may be replaced one by one', async () => {
    const { now, sign, witness } = await stage();
    for (const ids of [
      ['b', 'c'],
      ['c', 'd'],
      ['d', 'e'],
    ]) {
      now.servers = servers(...ids);
      await witness.assertThere();
    }
    expect(sign()).toBeUndefined();
  });

  it('that are others are another Consul', async () => {
    const { sign, witness } = await stage({ servers: servers('x', 'y') });
    await expect(witness.assertThere()).rejects.toThrow('others than before');
    expect(sign()).toBe('other-servers');
    await witness.assertThere();
  });

  it('that are none are hidden, and no sign', async () => {
    const { sign, witness } = await stage({ servers: servers() });
    await expect(witness.assertThere()).rejects.toThrow('has the token lost its rights?');
    expect(sign()).toBeUndefined();
  });

  it('have to be readable at the start', async () => {
    const client = new Answers(() => servers());
    await expect(OwnWitness.read({ client, owner, distrust: new Distrust(), clock: new TestClock() })).rejects.toThrow(
      'none',
    );
  });
});
