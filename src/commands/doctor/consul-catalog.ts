import { ConfigError } from '../../config/load.ts';
import { ConsulError, UntrustworthyAnswer } from '../../consul/errors.ts';
import { transactionLimitOf } from '../../consul/transaction-limit.ts';
import { expectArray, expectObject, objectField, stringField } from '../../json.ts';
import { explainError } from '../../observability/log.ts';
import { assertFilter } from '../../world/assert-filter.ts';
import { findingsOf, type Finding } from './finding.ts';
import type { Check } from './patient.ts';
import { isAtLeast } from './reach.ts';

const ofVersion = findingsOf('consul.version');

/** What it takes to notice that a token has lost its rights: the header X-Consul-Results-Filtered-By-ACLs. */
const OLDEST_CONSUL = [1, 11] as const;

export const consulVersion: Check = {
  id: 'consul.version',
  needs: ['Consul'],
  run: async ({ consul }) => {
    try {
      const { body } = await consul.get({ purpose: 'read Consul version', path: '/agent/self' });
      return [judgeConsulVersion(stringField(objectField(expectObject(body, 'agent'), 'Config'), 'Version'))];
    } catch (error) {
      if (!(error instanceof ConsulError && error.status === 403)) throw error;
      return [ofVersion.skipped('Consul does not tell this token its version: see its right to agent_prefix ""')];
    }
  },
};

export function judgeConsulVersion(version: string): Finding {
  const oldest = OLDEST_CONSUL.join('.');
  if (isAtLeast(version, OLDEST_CONSUL))
    return ofVersion.ok(
      `Consul ${version} (supported from ${oldest} on), ${transactionLimitOf(version)} operations in a transaction`,
    );
  return ofVersion.error(
    `Consul ${version} does not say when a token may not see everything: supported from ${oldest} on`,
    `consul version   # of each server; upgrade to ${oldest} or later`,
  );
}

const ofDatacenter = findingsOf('consul.datacenter');

/** Whether Consul has the datacenter of the configuration. */
export const consulDatacenter: Check = {
  id: 'consul.datacenter',
  needs: ['Consul'],
  run: async ({ config, consul }) => {
    const { datacenter } = config.consul;
    // Not of the datacenter that is asked for: one that is not there cannot say so.
    const request = { purpose: 'read datacenters', path: '/catalog/datacenters', query: { dc: '' } };
    const known = expectArray((await consul.get(request)).body, 'datacenters').filter(
      (name) => typeof name === 'string',
    );
    return [judgeDatacenter(datacenter, known)];
  },
};

export function judgeDatacenter(datacenter: string, known: readonly string[]): Finding {
  const said = known.join(', ');
  if (datacenter === '') return ofDatacenter.ok(`that of the server that answers (of ${said})`);
  if (known.includes(datacenter)) return ofDatacenter.ok(datacenter);
  return ofDatacenter.error(
    `consul.datacenter: expected one that Consul knows (${said}), found ${datacenter}`,
    `consul:\n  datacenter: ${known[0] ?? ''}`,
  );
}

const ofCatalog = findingsOf('consul.catalog');

/** Whether the catalog that we see is the whole one. */
export const consulCatalog: Check = {
  id: 'consul.catalog',
  needs: ['Consul'],
  run: async ({ reads }) => {
    try {
      const names = await reads.serviceNames();
      return [ofCatalog.ok(`the catalog has ${names.length} services, and nothing is hidden from us`)];
    } catch (error) {
      if (!(error instanceof UntrustworthyAnswer)) throw error;
      if ((await reads.token()) === 'unknown')
        return [ofCatalog.skipped('not to be read without a token: see consul.token')];
      const fix =
        'consul acl token read -self -expanded   # with our token: beside what consul.right names, no rule of it may deny services or nodes';
      return [ofCatalog.error(explainError(error), fix)];
    }
  },
};

const ofFilter = findingsOf('consul.filter');

/** Whether Consul takes `toKubernetes.filter` for an expression. */
export const consulFilter: Check = {
  id: 'consul.filter',
  needs: ['Consul'],
  run: async ({ config, consul }, signal) => {
    const { enabled, filter } = config.toKubernetes;
    if (!enabled || filter === '') return [];
    try {
      await assertFilter(consul, filter, signal);
      return [ofFilter.ok(`Consul understands toKubernetes.filter: ${filter}`)];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const fix = `toKubernetes:\n  filter: 'Service.Meta.env == prod'   # docs/to-kubernetes.md, "A filter expression"`;
      return [ofFilter.error(error.problems.join('; '), fix)];
    }
  },
};
