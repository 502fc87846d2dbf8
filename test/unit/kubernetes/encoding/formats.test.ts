import { describe, expect, it } from '@jest/globals';
import { formatOf, jsonFormat, LIST, protobufFormat, STATUS } from '../../../../src/kubernetes/encoding/formats.ts';
import { only, string } from '../../../../src/kubernetes/encoding/message.ts';
import { bytes, envelope, frame, number, text, watchEvent } from './bytes.ts';

const NAME = only('metadata', 1, only('name', 1, string));
const pod = (name: string) => bytes(1, text(1, name));
const status = envelope('Status', text(2, 'Failure'), text(3, 'too old'), text(4, 'Expired'), number(6, 410));

describe('formatOf', () => {
  it.each([
    ['application/vnd.kubernetes.protobuf', protobufFormat],
    ['application/vnd.kubernetes.protobuf;stream=watch', protobufFormat],
    ['application/json', jsonFormat],
    ['application/json;stream=watch', jsonFormat],
    ['text/html; charset=utf-8', jsonFormat],
    ['', jsonFormat],
  ])('%s', (contentType, format) => {
    expect(formatOf(contentType)).toBe(format);
  });
});

describe('a watch', () => {
  const events = (read: ReturnType<typeof protobufFormat.watch>, body: Buffer) => {
    const found: unknown[] = [];
    for (let at = 0; at < body.length; at += 7)
      for (const { type, object } of read(body.subarray(at, at + 7)))
        found.push(type === 'ERROR' ? object.as(STATUS) : [type, object.as(NAME)]);
    return found;
  };
  const expected = [['ADDED', 'a'], ['BOOKMARK', ''], { message: 'too old', reason: 'Expired', code: 410 }];

  it('in protobuf', () => {
    const body = [
      watchEvent('ADDED', envelope('Pod', pod('a'))),
      watchEvent('BOOKMARK', envelope('Pod', bytes(1))),
      watchEvent('ERROR', status),
    ];
    expect(events(protobufFormat.watch('Pod'), Buffer.concat(body))).toEqual(expected);
  });

  it('in JSON', () => {
    const body = [
      { type: 'ADDED', object: { kind: 'Pod', metadata: { name: 'a' } } },
      { type: 'BOOKMARK', object: { kind: 'Pod', metadata: {} } },
      { type: 'ERROR', object: { kind: 'Status', message: 'too old', reason: 'Expired', code: 410 } },
    ];
    const lines = Buffer.from(body.map((event) => `${JSON.stringify(event)}\n`).join(''));
    expect(events(jsonFormat.watch('Pod'), lines)).toEqual(expected);
  });

  it.each([
    ['garbage', frame(Buffer.from('<html>not at all</html>')), 'read protobuf'],
    ['an event without an object', frame(text(1, 'ADDED')), 'expected protobuf of Kubernetes'],
    ['an empty frame', frame(), 'expected protobuf of Kubernetes'],
    ['an object without its envelope', watchEvent('ADDED', pod('a')), 'expected protobuf of Kubernetes'],
    ['another kind', watchEvent('ADDED', envelope('Node', pod('a'))), 'expected that kind, found "Node"'],
  ])('with %s is an error, after what came before it', (_, broken, message) => {
    const read = protobufFormat.watch('Pod');
    const found: string[] = [];
    expect(() => {
      for (const { object } of read(Buffer.concat([watchEvent('ADDED', envelope('Pod', pod('a'))), broken])))
        found.push(object.as(NAME));
    }).toThrow(message);
    expect(found).toEqual(['a']);
  });

  it('in JSON with what is no event is an error', () => {
    const read = (line: string) => [...jsonFormat.watch('Pod')(Buffer.from(`${line}\n`))];
    expect(() => read('[]')).toThrow('read Pod watch event: expected an object, found an array');
    expect(() => read('{}')).toThrow('read object of a Pod watch event: expected an object, found nothing');
    expect(() => read('<html>')).toThrow(SyntaxError);
  });
});

describe('a list', () => {
  const page = { metadata: { resourceVersion: '7', continue: 'more' }, names: ['a', 'b'] };
  const read = (body: Buffer, format: typeof jsonFormat) => {
    const { metadata, items } = format.list('Pod', body).as(LIST);
    return { metadata, names: items.map((item) => item.as(NAME)) };
  };

  it('in both formats', () => {
    const items = [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }];
    const json = Buffer.from(JSON.stringify({ kind: 'PodList', metadata: page.metadata, items }));
    expect(read(json, jsonFormat)).toEqual(page);
    const wire = envelope('PodList', bytes(1, text(2, '7'), text(3, 'more')), bytes(2, pod('a')), bytes(2, pod('b')));
    expect(read(wire, protobufFormat)).toEqual(page);
  });

  it('that is none is an error', () => {
    expect(() => read(status, protobufFormat)).toThrow('read PodList: expected that kind, found "Status"');
    expect(() => read(Buffer.from('{"kind":"Status"}'), jsonFormat)).toThrow('expected items, found a Status without');
  });
});
