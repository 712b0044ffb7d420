// The pages: each asks the API and returns what is to be seen.

import { ask, path } from './api.js';
import { button, cards, element, form, table } from './element.js';

const link = (label, ...parts) =>
  element('a', { href: '#/' + parts.map(encodeURIComponent).join('/') }, label || '(default)');
const rate = (stats, name) => stats?.[`${name}_details`]?.rate ?? 0;
const arguments_ = (value) => value?.arguments;

export async function overview() {
  const [totals, drops] = await Promise.all([ask('GET', 'api/overview'), ask('GET', 'api/drops')]);
  const { queue_totals: queued = {}, object_totals: objects = {}, message_stats: stats = {} } = totals;
  const dropped = Object.entries(drops).filter(([, count]) => count > 0);
  return [
    element('h2', {}, 'Overview'),
    cards([['Ready', queued.messages_ready ?? 0], ['Unacknowledged', queued.messages_unacknowledged ?? 0],
      ['Published/s', rate(stats, 'publish')], ['Delivered/s', rate(stats, 'deliver_get')]]),
    cards(Object.entries(objects)),
    dropped.length
      ? table('Messages that left without an acknowledgement',
        [['Cause', ([name]) => name], ['Messages', ([, count]) => count, true]], dropped)
      : element('p', {}, 'No message has left without an acknowledgement.'),
    table('Addresses', [['Protocol', (it) => it.protocol], ['Address', (it) => it.ip_address],
      ['Port', (it) => String(it.port), true]], totals.listeners ?? []),
  ];
}

export async function queues() {
  const rows = await ask('GET', 'api/queues');
  return [
    element('h2', {}, 'Queues'),
    table(`${rows.length} queues`, [
      ['Vhost', (row) => row.vhost],
      ['Name', (row) => link(row.name, 'queues', row.vhost, row.name)],
      ['Type', (row) => row.type],
      ['Ready', (row) => row.messages_ready, true],
      ['Unacked', (row) => row.messages_unacknowledged, true],
      ['Total', (row) => row.messages, true],
      ['Consumers', (row) => row.consumers, true],
    ], rows),
    element('h3', {}, 'Add a queue'),
    form([['vhost', 'Vhost', 'text', '/'], ['name', 'Name'], ['arguments', 'Arguments (JSON)', 'text', '{}']],
      'Declare', (given) => act(() => ask('PUT', path('queues', given.vhost, given.name),
        { durable: true, arguments: JSON.parse(given.arguments || '{}') }))),
  ];
}

const BINDINGS = [
  ['From', (it) => link(it.source, 'exchanges', it.vhost, it.source)],
  ['To', (it) => `${it.destination_type} ${it.destination}`],
  ['Routing key', (it) => it.routing_key], ['Arguments', arguments_],
];

const MESSAGES = [
  ['Exchange', (it) => it.exchange], ['Routing key', (it) => it.routing_key],
  ['Redelivered', (it) => (it.redelivered ? 'yes' : 'no')], ['Properties', (it) => it.properties],
  ['Octets', (it) => it.payload_bytes, true], ['Payload', (it) => it.payload],
];

export async function queue(vhost, name) {
  const at = path('queues', vhost, name);
  const [row, bindings] = await Promise.all([ask('GET', at), ask('GET', `${at}/bindings`)]);
  const found = element('div', { 'aria-live': 'polite' });
  const show = (caption) => (messages) => found.replaceChildren(table(caption, MESSAGES, messages));
  const get = () => ask('POST', `${at}/get`,
    { count: 10, ackmode: 'ack_requeue_false', encoding: 'auto', truncate: 10000 });
  return [
    element('h2', {}, `Queue ${name}`),
    cards([['Ready', row.messages_ready], ['Unacknowledged', row.messages_unacknowledged],
      ['Total', row.messages], ['Consumers', row.consumers]]),
    table('Declared', [['Vhost', (it) => it.vhost], ['Type', (it) => it.type],
      ['Durable', (it) => (it.durable ? 'yes' : 'no')], ['Policy', (it) => it.policy], ['Arguments', arguments_]], [row]),
    element('h3', {}, 'Messages'),
    element('div', { class: 'row' },
      button('Peek at the first 10', () => act(() => ask('GET', `${at}/peek?count=10`).then(show('They stay in the queue')), false)),
      button('Get 10', () => act(() => get().then(show('They are out of the queue')), false),
        'Take up to 10 messages out of the queue?'),
      button('Purge', () => act(() => ask('DELETE', `${at}/contents`)), `Purge all ready messages of ${name}?`),
      button('Delete', () => act(() => ask('DELETE', at), '#/queues'), `Delete the queue ${name}?`)),
    found,
    element('h3', {}, 'Publish to this queue'),
    publisher(vhost, '', name),
    element('h3', {}, 'Bindings'),
    table(`${bindings.length} bindings`, BINDINGS, bindings),
    element('h3', {}, 'Consumers'),
    table('Consumers', [['Tag', (it) => it.consumer_tag], ['Channel', (it) => it.channel_details?.name],
      ['Prefetch', (it) => it.prefetch_count, true], ['Acknowledges', (it) => (it.ack_required ? 'yes' : 'no')]],
    row.consumer_details ?? []),
  ];
}

function publisher(vhost, exchange, key) {
  return form([['routing_key', 'Routing key', 'text', key], ['payload', 'Payload', 'area']], 'Publish', (given) =>
    act(async () => {
      const body = { ...given, properties: { delivery_mode: 2 }, payload_encoding: 'string' };
      const { routed } = await ask('POST', path('exchanges', vhost, exchange || 'amq.default', 'publish'), body);
      if (!routed) throw new Error('No queue is bound to where it was published: it is gone.');
    }));
}

export async function exchanges() {
  const rows = await ask('GET', 'api/exchanges');
  return [
    element('h2', {}, 'Exchanges'),
    table(`${rows.length} exchanges`, [
      ['Vhost', (row) => row.vhost], ['Name', (row) => link(row.name, 'exchanges', row.vhost, row.name)],
      ['Type', (row) => row.type], ['Durable', (row) => (row.durable ? 'yes' : 'no')], ['Arguments', arguments_],
    ], rows),
  ];
}

export async function exchange(vhost, name) {
  const at = path('exchanges', vhost, name || 'amq.default');
  const [row, from, to] = await Promise.all(
    [ask('GET', at), ask('GET', `${at}/bindings/source`), ask('GET', `${at}/bindings/destination`)]);
  const found = element('div', { 'aria-live': 'polite' });
  const explain = ({ routing_key }) => act(async () => {
    const way = await ask('POST', `${at}/explain`, { routing_key, headers: {} });
    found.replaceChildren(element('pre', {}, JSON.stringify(way, null, 2)));
  }, false);
  return [
    element('h2', {}, `Exchange ${name || '(default)'}`),
    table('Declared', [['Vhost', (it) => it.vhost], ['Type', (it) => it.type],
      ['Durable', (it) => (it.durable ? 'yes' : 'no')], ['Arguments', arguments_]], [row]),
    element('h3', {}, 'Bindings from it'), table(`${from.length} bindings`, BINDINGS, from),
    element('h3', {}, 'Bindings to it'), table(`${to.length} bindings`, BINDINGS, to),
    element('h3', {}, 'Where would a message go?'),
    form([['routing_key', 'Routing key']], 'Explain', explain), found,
    element('h3', {}, 'Publish'), publisher(vhost, name, ''),
    name && !name.startsWith('amq.')
      ? button('Delete', () => act(() => ask('DELETE', at), '#/exchanges'), `Delete the exchange ${name}?`) : undefined,
  ];
}

export async function connections() {
  const rows = await ask('GET', 'api/connections');
  const close = (name) => button('Close', () => act(() => ask('DELETE', path('connections', name))),
    `Close the connection ${name}?`);
  return [
    element('h2', {}, 'Connections'),
    table(`${rows.length} connections`, [
      ['Name', (row) => row.name], ['Vhost', (row) => row.vhost], ['User', (row) => row.user],
      ['State', (row) => row.state], ['Channels', (row) => row.channels, true], ['', (row) => close(row.name)],
    ], rows),
  ];
}

export async function channels() {
  const rows = await ask('GET', 'api/channels');
  return [
    element('h2', {}, 'Channels'),
    table(`${rows.length} channels`, [
      ['Name', (row) => row.name], ['Vhost', (row) => row.vhost], ['User', (row) => row.user],
      ['Consumers', (row) => row.consumer_count, true], ['Unacked', (row) => row.messages_unacknowledged, true],
      ['Prefetch', (row) => row.prefetch_count, true],
    ], rows),
  ];
}

let afterwards = () => {};
/** What follows an action: it gets an error or nothing, and where to go. */
export function onAction(follow) { afterwards = follow; }

async function act(action, then = true) {
  try {
    await action();
    afterwards(undefined, then);
  } catch (error) {
    afterwards(error, false);
  }
}
