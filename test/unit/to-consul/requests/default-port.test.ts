import { describe, expect, it } from '@jest/globals';
import type { Container } from '../../../../src/kubernetes/objects.ts';
import { defaultPort } from '../../../../src/to-consul/requests/default-port.ts';
import { container } from '../../builders.ts';

const tcp = (...numbers: number[]) => numbers.map((port) => ({ name: '', port, protocol: 'TCP' as const }));

function named(name: string, ports: readonly number[], more: Partial<Container> = {}): Container {
  return container({ name, ports: tcp(...ports), ...more });
}

const APP = named('app', [8080, 9090]);
const LINKERD = named('linkerd-proxy', [4143, 4191]);
const UDP = container({ name: 'dns', ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] });
const isDefault = true;
const isSidecar = true;
const isIstios = true;

const found = (containers: readonly Container[], injected: readonly string[] = []) => {
  const result = defaultPort({ containers }, injected);
  return typeof result === 'string' ? result : `${result.port.port} of ${result.container}: ${result.why}`;
};
const WITHOUT = 'without those that a mesh put into the pod';

/** The table in the comment of defaultPort, row by row, and its corners. */
describe('the default port of a pod', () => {
  it.each<[string, Container[], string]>([
    ['one container', [APP], '8080 of app: it is the first container with a TCP port'],
    [
      'a proxy of a mesh in front',
      [LINKERD, APP],
      `8080 of app: it is the first container with a TCP port, ${WITHOUT}: "linkerd-proxy"`,
    ],
    [
      "a container that Istio's status names, whatever it is called",
      [named('mesh', [15090], { isIstios }), APP],
      `8080 of app: it is the first container with a TCP port, ${WITHOUT}: "mesh"`,
    ],
    [
      'a container that an annotation names, behind others',
      [APP, named('main', [7000], { isDefault })],
      '7000 of main: the annotation kubectl.kubernetes.io/default-container names it',
    ],
    [
      'such a container, although a mesh calls its own like that',
      [named('istio-proxy', [15090], { isDefault }), APP],
      '15090 of istio-proxy: the annotation kubectl.kubernetes.io/default-container names it',
    ],
    [
      'such a container without a TCP port',
      [container({ name: 'main', ports: [], isDefault }), UDP, APP],
      '8080 of app: it is the first container with a TCP port',
    ],
    [
      'a native sidecar that listens too',
      [APP, named('metrics', [9100], { isSidecar })],
      '8080 of app: it is the first container with a TCP port',
    ],
    [
      'nothing but a native sidecar that listens',
      [container({ ports: [] }), named('server', [9443], { isSidecar })],
      '9443 of server: it is a native sidecar, and no container of the application has a TCP port',
    ],
    [
      'a gateway, which has nothing but what a mesh puts into the pods of others',
      [named('istio-proxy', [8443], { isIstios })],
      '8443 of istio-proxy: it is the first container with a TCP port',
    ],
    [
      'only ports of a mesh beside an application without ports',
      [LINKERD, container({ ports: [] })],
      'port: expected a TCP container port or the annotation service-port, found only ports of containers that a mesh put into the pod: "linkerd-proxy"',
    ],
    [
      'a native sidecar of a mesh beside such an application',
      [container({ ports: [] }), named('istio-proxy', [15090], { isSidecar })],
      'port: expected a TCP container port or the annotation service-port, found only ports of containers that a mesh put into the pod: "istio-proxy"',
    ],
    ['no TCP port', [UDP], 'port: expected a TCP container port or the annotation service-port, found neither'],
    ['no container', [], 'port: expected a TCP container port or the annotation service-port, found neither'],
  ])('with %s', (_, containers, expected) => {
    expect(found(containers)).toBe(expected);
  });

  it.each([
    'istio-proxy',
    'linkerd-proxy',
    'linkerd-debug',
    'consul-dataplane',
    'consul-dataplane-orders',
    'envoy-sidecar',
    'kuma-sidecar',
    'nginx-mesh-sidecar',
    'daprd',
  ])('is not that of %s', (name) => {
    expect(found([named(name, [15001]), APP])).toMatch(/^8080 of app/);
  });

  it.each(['envoy', 'proxy', 'istio-proxy-of-mine', 'my-linkerd-proxy'])('may be that of %s', (name) => {
    expect(found([named(name, [15001]), APP])).toMatch(/^15001/);
  });

  it('is not that of containers that a setting names', () => {
    expect(found([named('envoy', [15001]), named('agent-7', [7]), APP], ['envoy', 'agent-*'])).toMatch(/^8080 of app/);
  });
});
