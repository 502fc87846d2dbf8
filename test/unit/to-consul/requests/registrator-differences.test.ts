import { describe, expect, it } from '@jest/globals';
import type { EnvVar } from '../../../../src/kubernetes/objects.ts';
import { registratorServices } from '../../../../src/to-consul/requests/registrator.ts';
import { strings } from '../../builders.ts';
import { environment, given, names, ports, read, variable } from './registrator-pods.ts';

describe('values that are not in the variable', () => {
  const secret: EnvVar = { name: 'SERVICE_NAME', value: '', fieldPath: '' };
  const unreadable = (name: string) =>
    `container "app": "${name}": expected a value in the Pod itself, found a reference to something else`;

  it('are expanded', () => {
    const env = [
      { name: 'NAMESPACE', value: '', fieldPath: 'metadata.namespace' },
      variable('STAGE', 'blue'),
      variable('SERVICE_NAME', 'orders-$(NAMESPACE)'),
      variable('SERVICE_TAGS', '$(STAGE),$(SERVICE_NAME),$(MISSING)'),
      { name: 'SERVICE_POD', value: '', fieldPath: 'metadata.name' },
    ];
    const { services, rejections, warnings } = registratorServices(given({ env }), { explicit: true });
    expect(services).toMatchObject([
      {
        name: 'orders-shop',
        tags: ['blue', 'orders-shop', '$(MISSING)'],
        meta: strings({ pod: 'orders-7d4b9c6f5-abcde' }),
      },
    ]);
    expect({ rejections, warnings }).toEqual({ rejections: [], warnings: [] });
  });

  it.each([true, false])('reject a NAME that cannot be read, once; explicit: %p', (explicit) => {
    const result = registratorServices(given({ ports: ports('8080,9090'), env: [secret] }), { explicit });
    expect(result).toEqual({
      services: [],
      rejections: [{ reason: 'InvalidVariable', message: unreadable('SERVICE_NAME') }],
      warnings: [],
    });
  });

  it('reject a NAME for its port only', () => {
    const env = [...environment('NAME=web'), { ...secret, name: 'SERVICE_9090_NAME' }];
    const { services, rejections } = registratorServices(given({ ports: ports('8080,9090'), env }), { explicit: true });
    expect(names(services)).toEqual(['web-8080 8080']);
    expect(rejections).toEqual([{ reason: 'InvalidVariable', message: unreadable('SERVICE_9090_NAME') }]);
  });

  it('reject a NAME that an unreadable one replaced, and not the other way round', () => {
    const web = variable('SERVICE_NAME', 'web');
    expect(registratorServices(given({ env: [web, secret] }), { explicit: true }).rejections).toHaveLength(1);
    expect(registratorServices(given({ env: [secret, web] }), { explicit: true })).toMatchObject({
      services: [{ name: 'web' }],
      rejections: [],
    });
  });

  it('reject no NAME of what is ignored', () => {
    const { rejections } = registratorServices(given({ env: [secret, variable('SERVICE_IGNORE', '1')] }), {
      explicit: true,
    });
    expect(rejections).toEqual([]);
  });

  it('are warned about and count as none for other keys', () => {
    const env = [...environment('NAME=web; TAGS=x'), { ...secret, name: 'SERVICE_8080_TAGS' }];
    const { services, rejections, warnings } = registratorServices(given({ env }), { explicit: true });
    expect(services).toMatchObject([{ name: 'web', tags: [], meta: strings() }]);
    expect({ rejections, warnings }).toEqual({ rejections: [], warnings: [unreadable('SERVICE_8080_TAGS')] });
  });

  it('of CHECK_* are warned about, and are none that are not used', () => {
    const env = [...environment('NAME=web'), { ...secret, name: 'SERVICE_CHECK_HTTP' }];
    const { services, warnings } = registratorServices(given({ env }), { explicit: true });
    expect(services).toMatchObject([{ name: 'web', hasChecks: false }]);
    expect(warnings).toEqual([unreadable('SERVICE_CHECK_HTTP')]);
  });

  it('are no concern where nothing is registered', () => {
    const env = [{ ...secret, name: 'SERVICE_PASSWORD' }];
    expect(registratorServices(given({ env }), { explicit: true })).toEqual({
      services: [],
      rejections: [],
      warnings: [],
    });
  });
});

describe('what registrator did and Consular does not', () => {
  it('is an ID of the user', () => {
    const { services, warnings } = read('8080,9090', 'NAME=web; ID=me');
    expect(services.map(({ meta }) => meta.size)).toEqual([0, 0]);
    expect(warnings).toEqual([
      'container "app": "SERVICE_ID" has no effect: the ID of an instance says which pod it is',
    ]);
  });

  it('is to see the ports of the image', () => {
    expect(read('', 'NAME=web', { explicit: true })).toEqual({
      services: [],
      rejections: [
        {
          reason: 'InvalidPort',
          message:
            'container "app": "SERVICE_NAME": expected a port in the container or in a variable SERVICE_<port>_NAME, found neither; what the image exposes is not seen',
        },
      ],
      warnings: [],
    });
    expect(read('', 'NAME=web; IGNORE=1')).toEqual({ services: [], rejections: [], warnings: [] });
    expect(read('', 'REGION=eu')).toEqual({ services: [], rejections: [], warnings: [] });
  });

  it('is to register any number of ports', () => {
    const many = Array.from({ length: 257 }, (_, i) => String(i + 1)).join(',');
    expect(read(many, 'NAME=web')).toMatchObject({
      services: [],
      rejections: [{ reason: 'InvalidPort', message: 'container "app": expected at most 256 ports, found 257' }],
    });
    expect(read(many, '', { explicit: true }).rejections).toEqual([]);
  });

  it('is to read any number of variables', () => {
    const env = (count: number) => Array.from({ length: count }, (_, i) => variable(`SERVICE_A${i}`, 'x'));
    const app = (count: number) => ({ env: [...environment('NAME=web'), ...env(count)] });
    expect(registratorServices(given(app(499), app(499)), { explicit: true }).services).toHaveLength(2);
    expect(registratorServices(given(app(499), app(500)), { explicit: true })).toEqual({
      services: [],
      rejections: [{ reason: 'InvalidVariable', message: 'expected at most 1000 variables SERVICE_*, found 1001' }],
      warnings: [],
    });
  });
});
