import { amount, consulLink, count, element, fill, name } from './dom.js';

const ROWS = 25;

/**
 * A list of the server's, a page at a time, at the end of its section.
 * @param columns titles of the columns
 * @param cellsOf the cells of a row; the first of them is its heading
 * @param onTurn called when another page is wanted
 */
export function createList({ section, columns, empty, cellsOf, onTurn }) {
  const body = element('tbody');
  const heads = columns.map((title) => element('th', { scope: 'col' }, title));
  const head = element('thead', {}, element('tr', {}, ...heads));
  const table = element('table', { 'aria-labelledby': section.getAttribute('aria-labelledby') }, head, body);
  const [first, back, on, end] = [
    turn('First', () => 0),
    turn('Previous', () => offset - ROWS),
    turn('Next', () => offset + ROWS),
    turn('Last', () => lastOffset(matching)),
  ];
  const where = element('span');
  const pager = element('div', { class: 'pager' }, first, back, on, end, where);
  section.append(table, pager);
  let offset = 0;
  /** Of the page that is shown. */
  let matching = 0;
  let shown = '';

  /** @param to says where the other page begins */
  function turn(text, to) {
    const button = element('button', { type: 'button' }, text);
    button.addEventListener('click', () => {
      offset = Math.max(0, to());
      onTurn();
    });
    return button;
  }

  function show(page, ui) {
    const text = JSON.stringify([page, ui]);
    // What is the same stays, with whatever is selected or has the focus in it.
    if (text === shown) return;
    shown = text;
    const { items, total } = page;
    matching = page.matching;
    fill(body, ...items.map((item) => rowOf(cellsOf(item, ui))));
    if (items.length === 0)
      fill(body, element('tr', {}, element('td', { colspan: columns.length, class: 'muted' }, empty)));
    const last = offset + items.length;
    const of = matching === total ? amount(total) : `${amount(matching)} found, of ${amount(total)}`;
    fill(where, items.length === 0 ? of : `${amount(offset + 1)} to ${amount(last)} of ${of}`);
    pager.hidden = matching <= ROWS && matching === total;
    for (const button of [first, back]) button.disabled = offset === 0;
    for (const button of [on, end]) button.disabled = last >= matching;
    section.dataset.total = total;
  }

  return {
    begin: () => (offset = 0),
    /** @param ask gets a path from the server */
    async refresh(path, query, ui, ask) {
      const parameters = new URLSearchParams({ query, offset, limit: ROWS });
      const page = await ask(`${path}?${parameters}`);
      // The list became shorter than where the page begins.
      if (page.items.length === 0 && offset > 0 && page.matching <= offset) {
        offset = lastOffset(page.matching);
        return this.refresh(path, query, ui, ask);
      }
      show(page, ui);
      return page;
    },
  };
}

/** Where the last page of so many rows begins. */
function lastOffset(rows) {
  return Math.max(0, Math.floor((rows - 1) / ROWS) * ROWS);
}

function rowOf([first, ...others]) {
  return element('tr', {}, element('th', { scope: 'row' }, first), ...others.map((cell) => element('td', {}, cell)));
}

const small = (kind, ...children) => element('span', { class: `small ${kind}` }, ...children);
const list = (items) => element('ul', {}, ...items.map((item) => element('li', {}, item)));

const KIND_COLOURS = { failing: 'bad', rejected: 'warn', held: 'warn' };

export function attentionCells({ kind, object, why, direction }) {
  const badge = element('span', { class: `badge ${KIND_COLOURS[kind] ?? 'warn'}` }, kind);
  return [[name(object, 'name'), small('', badge, element('span', { class: 'muted' }, direction))], name(why)];
}

export function serviceCells({ service, instances, mirrors, imports, why }, ui) {
  const known = instances === null ? undefined : small('muted', count(instances, 'instance'));
  const there = [...mirrors.map(mirrorOf), ...imports.map((taker) => ['taken in by ', name(taker, 'name')])];
  return [
    [consulLink(ui, ['services', service, 'instances'], service, 'name'), known],
    [there.length > 0 && list(there), why !== '' && small('muted', why)],
  ];
}

function mirrorOf({ name: service, clusterIP, ports, endpoints, ready }) {
  const where = clusterIP === 'None' || clusterIP === '' ? 'headless' : clusterIP;
  const health =
    endpoints === ready ? count(endpoints, 'endpoint') : `${ready} of ${count(endpoints, 'endpoint')} ready`;
  const kind = ready === 0 ? 'warn' : 'muted';
  return [name(service, 'name'), ' ', element('code', {}, `${where} :${ports.join(' :')}`), small(kind, health)];
}

const STATUS_COLOURS = { passing: 'good', warning: 'warn', critical: 'bad' };

export function podCells({ pod, node, workload, instances, why }, ui) {
  const about = [node === '' ? '' : `on ${node}`, workload].filter((text) => text !== '').join(', ');
  return [
    [name(pod, 'name'), about !== '' && small('muted', about)],
    [instances.length > 0 && list(instances.map((one) => instanceOf(one, ui))), why !== '' && small('warn', why)],
  ];
}

function instanceOf({ id, service, node, address, status, tags, output }, ui) {
  const path = ['services', service, 'instances', node, id, 'health-checks'];
  return [
    consulLink(ui, path, service, 'name'),
    ' ',
    element('code', {}, address),
    ' ',
    element('span', { class: STATUS_COLOURS[status] ?? 'warn' }, status),
    ' ',
    ...tags.map((tag) => name(tag, 'tag')),
    status !== 'passing' && small('muted', output),
  ];
}
