import { describe, expect, it } from '@jest/globals';
import { discover, isServed } from '../../../src/kubernetes/discovery.ts';
import { createResources, workloadEntryKind } from '../../../src/kubernetes/resources.ts';
import { refusal, Requester, type Said } from './requester.ts';

const keep = { annotation: () => true, variable: () => true };
const { serviceCIDRs } = createResources(keep);
const kind = workloadEntryKind(keep);
const client = (table: Readonly<Record<string, Said>>) => new Requester(({ path }) => table[path] ?? refusal(404));

const GROUP = '/apis/networking.istio.io';
const versions = (...versions: string[]) => ({ versions: versions.map((version) => ({ version })) });
const kinds = (...names: string[]) => ({ resources: names.map((name) => ({ name })) });

describe('a kind', () => {
  const PATH = '/apis/networking.k8s.io/v1';

  it.each<[string, Record<string, Said>, boolean]>([
    ['is served when its version lists it', { [PATH]: kinds('ingresses', 'servicecidrs') }, true],
    ['is not when its version does not', { [PATH]: kinds('ingresses') }, false],
    ['is not when there is no such version', {}, false],
    ['is not when its version lists nothing', { [PATH]: { resources: null } }, false],
  ])('%s', async (_, table, served) => {
    expect(await isServed(client(table), serviceCIDRs)).toBe(served);
  });

  it.each([
    ['refuses', refusal(403)],
    ['fails', refusal(500)],
  ])('is not known when the API server %s', async (_, error) => {
    await expect(isServed(client({ [PATH]: error }), serviceCIDRs)).rejects.toBe(error);
  });
});

describe('a kind that somebody may have installed', () => {
  it.each<[string, Record<string, Said>, string | undefined]>([
    [
      'is found in the version that we prefer',
      { [GROUP]: versions('v1alpha3', 'v1beta1', 'v1'), [`${GROUP}/v1`]: kinds('workloadentries') },
      'networking.istio.io/v1',
    ],
    [
      'is found in the version that there is',
      { [GROUP]: versions('v1beta1'), [`${GROUP}/v1beta1`]: kinds('workloadentries') },
      'networking.istio.io/v1beta1',
    ],
    [
      'is found in a later version when the preferred one lacks it',
      {
        [GROUP]: versions('v1', 'v1beta1'),
        [`${GROUP}/v1`]: kinds('gateways'),
        [`${GROUP}/v1beta1`]: kinds('workloadentries'),
      },
      'networking.istio.io/v1beta1',
    ],
    ['is not found in versions that we do not know', { [GROUP]: versions('v2') }, undefined],
    ['is not found when the group has no such kind', { [GROUP]: versions('v1'), [`${GROUP}/v1`]: kinds() }, undefined],
    ['is not found when there is no such group', {}, undefined],
  ])('%s', async (_, table, apiVersion) => {
    expect((await discover(client(table), kind))?.apiVersion).toBe(apiVersion);
  });
});
