import { describe, expect, it } from '@jest/globals';
import { answeredOf } from '../../../../src/to-kubernetes/retention/places.ts';
import { instance, owner, toKubernetesConfig } from '../../builders.ts';

describe('what Consul has of a service', () => {
  const instances = [
    instance({ id: 'i1', address: '10.20.0.1', port: 80 }),
    instance({ id: 'i2', address: '10.20.0.2', port: 80, isLeftOut: true }),
  ];
  const answered = (isWhole: boolean) => {
    const { serving, places } = answeredOf(instances, isWhole, owner.cluster, toKubernetesConfig());
    return { serving: [...serving.keys()], places: [...places] };
  };

  it('has the places of instances that the filter leaves out, which are no loss', () => {
    expect(answered(true)).toEqual({ serving: ['10.20.0.1 80'], places: ['10.20.0.1 80', '10.20.0.2 80'] });
  });

  it('says nothing of these while it may not be all that there is', () => {
    expect(answered(false)).toEqual({ serving: ['10.20.0.1 80'], places: ['10.20.0.1 80'] });
  });
});
