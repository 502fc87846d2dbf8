import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAME_LABEL, type EndpointSlice, type Service } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION } from '../../../../src/mark.ts';
import { ServiceNames } from '../../../../src/to-kubernetes/names/service-names.ts';
import { toHashedServiceName } from '../../../../src/to-kubernetes/names/service-name.ts';
import { OwnObjects } from '../../../../src/to-kubernetes/observed/own-objects.ts';
import { marked, owner, service, slice, strings } from '../../builders.ts';
import { views } from '../views.ts';

const hashed = toHashedServiceName('my_app');
const of = (consulService: string) => ({ annotations: strings({ [ANNOTATION.consulService]: consulService }) });
const ours = (consulService: string, overrides: Partial<Service>): Service =>
  service({ labels: marked(), ...of(consulService), uid: `uid-of-${overrides.name ?? ''}`, ...overrides });

function names(known: readonly string[], services: readonly Service[] = [], slices: readonly EndpointSlice[] = []) {
  return new ServiceNames(new OwnObjects(owner, views({ services, slices })), known);
}
const ALL = () => true;

describe('the name that a Consul service gets', () => {
  const plain = ours('my_app', { name: 'my-app' });
  const withHash = ours('my_app', { name: hashed });
  const sliceOf = ({ uid, name }: Service) =>
    slice({ labels: marked(owner.cluster, { [SERVICE_NAME_LABEL]: name }), ...of('my_app'), ownerUid: uid });

  it.each<[string, ServiceNames, string, string[]]>([
    ['alone is the plain name', names(['my_app']), 'my-app', []],
    ['that nobody knows is the plain name', names([]), 'my-app', []],
    ['beside the exact name is the one with a hash', names(['my_app', 'my-app']), hashed, ['my-app']],
    ['is the plain one when its Service has that', names(['my_app', 'my-app'], [plain]), 'my-app', []],
    ['is the one with a hash when its Service has that', names(['my_app', 'my.app'], [withHash]), hashed, ['my.app']],
    ['of two Services is that with our slices', names(['my_app'], [plain, withHash], [sliceOf(withHash)]), hashed, []],
    ['of two Services without slices is the plain name', names(['my_app'], [withHash, plain]), 'my-app', []],
    [
      'is not that of a copy that somebody made',
      names(['my_app'], [ours('my_app', { name: 'my-app-canary' })]),
      'my-app',
      [],
    ],
    [
      'is not that of its Service in another namespace',
      names(['my_app', 'my-app'], [ours('my_app', { name: 'my-app', namespace: 'old' })]),
      hashed,
      ['my-app'],
    ],
    [
      'has a hash when the Service of another has the plain name',
      names(['my_app', 'my.app'], [ours('my.app', { name: 'my-app' })]),
      hashed,
      ['my.app'],
    ],
  ])('%s', (_, holders, serviceName, rivals) => {
    expect(holders.assigned('my_app', 'shop', ALL)).toEqual({ serviceName, rivals });
  });

  it('does not depend on names that do not contend', () => {
    const holders = names(['my_app', 'my-app', 'my.app']);
    expect(holders.assigned('my_app', 'shop', (name) => name !== 'my-app').rivals).toEqual(['my.app']);
    expect(holders.assigned('my_app', 'shop', () => false)).toEqual({ serviceName: 'my-app', rivals: [] });
  });
});

describe('the names that want a Service name', () => {
  it('are those that are known, by the plain name and by the one with a hash', () => {
    const holders = names(['my_app', 'my-app']);
    holders.add('my_app');
    expect([holders.namesWanting('my-app'), holders.namesWanting(hashed)]).toEqual([['my_app', 'my-app'], ['my_app']]);
    holders.forget('my_app');
    holders.forget('my_app');
    expect([holders.namesWanting('my-app'), holders.namesWanting(hashed)]).toEqual([['my-app'], []]);
    holders.forget('my-app');
    expect(holders.namesWanting('my-app')).toEqual([]);
  });
});
