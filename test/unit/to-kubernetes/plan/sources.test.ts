import { describe, expect, it } from '@jest/globals';
import { mirrorOf } from '../../../../src/to-kubernetes/plan/sources.ts';
import { workloadSelector } from '../../../../src/to-kubernetes/objects/service.ts';
import { instance, service, servicePort, strings } from '../../builders.ts';
import { stage } from '../imports/stage.ts';

const plain = instance({ meta: strings({ protocol: 'http' }) });
const inIstio = instance({ id: 'billing-2', meta: strings({ 'consular-mode': 'istio' }) });
const selecting = service({
  name: 'billing',
  selector: strings(workloadSelector('billing')),
  ports: [servicePort({ name: 'main', appProtocol: 'grpc' })],
});

describe('what the instances of a service choose together', () => {
  const chosenBy = (isComplete: boolean, observed: typeof selecting | undefined) => {
    const { given, mirrors } = stage([], [plain]);
    given.isComplete = isComplete;
    const { mode, mirrored } = mirrorOf(mirrors.sources, 'billing', [plain], observed);
    return [mode, mirrored.ports.map(({ appProtocol }) => appProtocol).join()];
  };

  it('is what those choose that Consul has', () => {
    expect(chosenBy(true, selecting)[0]).toBe('service');
    const { mirrors } = stage([], [inIstio]);
    expect(mirrorOf(mirrors.sources, 'billing', [inIstio], undefined).mode).toBe('istio');
  });

  it('stays as it is while Consul may have lost some of them', () => {
    expect(chosenBy(false, selecting)).toEqual(['istio', 'grpc']);
  });

  it('stays as it is while there is none, as between two leaders', () => {
    const { mirrors } = stage([], []);
    const { mode, mirrored, wantsHeadless } = mirrorOf(mirrors.sources, 'billing', [], selecting);
    expect([mode, mirrored.ports.map(({ appProtocol }) => appProtocol), wantsHeadless]).toEqual([
      'istio',
      ['grpc'],
      false,
    ]);
  });

  it('is what those choose that it has, where there is nothing yet', () => {
    expect(chosenBy(false, undefined)[0]).toBe('service');
  });
});
