import { describe, expect, it } from '@jest/globals';
import {
  readNode,
  readNodeIndex,
  readNodeServices,
  readServers,
  readWithoutChecks,
} from '../../../src/consul/catalog-reader.ts';
import { UntrustworthyAnswer } from '../../../src/consul/errors.ts';
import { answer, Answers, row } from './answers.ts';

describe('the servers of Consul', () => {
  it('are those that the leader confirms', async () => {
    const consul = new Answers(() =>
      answer([{ Node: { ID: 'a', Node: 'server-1' } }, { Node: { ID: '', Node: 'server-2' } }]),
    );
    expect([...(await readServers(consul, new AbortController().signal))]).toEqual(['a', 'server-2']);
    expect(consul.asked).toEqual(['/health/service/consul consistent=']);
  });

  it('are not known from an answer that ACLs filtered', async () => {
    const filtered = answer([row], { filteredByAcls: true });
    await expect(readServers(new Answers(() => filtered))).rejects.toThrow(UntrustworthyAnswer);
  });
});

describe('a node without its checks', () => {
  it('is what the leader confirms', async () => {
    const Services = [{ ...row.Service, ID: 'orders-1' }];
    const consul = new Answers(() => answer({ Node: row.Node, Services }));
    const contents = await readWithoutChecks(consul, 'vm-1', new AbortController().signal);
    expect([contents?.node.name, contents?.services.map(({ id }) => id)]).toEqual(['vm-1', ['orders-1']]);
    expect(consul.asked).toEqual(['/catalog/node-services/vm-1 consistent=']);
  });

  it.each([
    ['nothing at all', null],
    ['no node', { Node: null, Services: null }],
  ])('is not there when Consul tells of %s', async (_, body) => {
    expect(await readWithoutChecks(new Answers(() => answer(body)), 'vm-1')).toBeUndefined();
  });
});

describe('reading a node', () => {
  const Services = [{ ...row.Service, ID: 'orders-1' }];
  const answerTo = (question: string) =>
    question.startsWith('/health/node/') ? answer([]) : answer({ Node: row.Node, Services }, { index: 9 });

  it('reads the checks before the services', async () => {
    const consul = new Answers(answerTo);
    const contents = await readNode(consul, 'VM-1');
    expect(contents).toMatchObject({ node: { name: 'vm-1' }, services: [{ id: 'orders-1' }], checks: [], index: 9 });
    expect(consul.asked).toEqual(['/health/node/VM-1', '/catalog/node-services/VM-1']);
  });

  it('asks the leader both times when the answer decides a removal', async () => {
    const consul = new Answers(answerTo);
    await readNode(consul, 'vm-1', true);
    expect(consul.asked).toEqual(['/health/node/vm-1 consistent=', '/catalog/node-services/vm-1 consistent=']);
  });

  it('gives undefined for a node that Consul does not know', async () => {
    const consul = new Answers((question) => answer(question.startsWith('/health') ? [] : null));
    expect(await readNode(consul, 'vm-1')).toBeUndefined();
  });

  it('does not believe an answer about another node', async () => {
    await expect(readNode(new Answers(answerTo), 'vm-2')).rejects.toThrow('one about another node');
  });
});

describe('the index of a node', () => {
  it('comes without the services', async () => {
    const consul = new Answers(() => answer({ Node: row.Node, Services: [] }, { index: 42 }));
    expect(await readNodeIndex(consul, 'vm-1')).toBe(42);
    expect(consul.asked).toEqual(['/catalog/node-services/vm-1 filter=ID == ""']);
  });

  it('is not believed from a server without a leader', async () => {
    const consul = new Answers(() => answer(null, { knownLeader: false }));
    await expect(readNodeIndex(consul, 'vm-1')).rejects.toThrow(UntrustworthyAnswer);
  });
});

describe('the services of a node, for comparing,', () => {
  it.each([
    ['of a node with services', { Services: [row.Service, null, { ID: 'x' }] }, ['orders-1 13', 'x 0']],
    ['of an empty node', { Services: null }, []],
    ['of no node', null, []],
  ])('%s', async (_, body, expected) => {
    const { index, services } = await readNodeServices(new Answers(() => answer(body)), 'vm-1');
    expect({ index, services: services.map(({ id, modifyIndex }) => `${id} ${modifyIndex}`) }).toEqual({
      index: 7,
      services: expected,
    });
  });

  it.each([{ Node: row.Node }, { Services: {} }, []])('are not known from an answer like %j', async (body) => {
    await expect(readNodeServices(new Answers(() => answer(body)), 'vm-1')).rejects.toThrow(
      /services of Consul node vm-1: expected an (object|array), found/,
    );
  });

  it('are not believed from an answer that ACLs filtered', async () => {
    const consul = new Answers(() => answer(null, { filteredByAcls: true }));
    await expect(readNodeServices(consul, 'vm-1')).rejects.toThrow(UntrustworthyAnswer);
  });
});
