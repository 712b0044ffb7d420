// Binds exchanges to exchanges, and catches what matches nothing with an alternate exchange.
'use strict';
const { assert, privateQueue, story, takeAll, unique } = require('./support');

story(async (connection) => {
  const channel = await connection.createChannel();
  const declare = async (name, kind, options) =>
    (await channel.assertExchange(unique(name), kind, { durable: false, ...options })).exchange;
  const rest = await declare('rest', 'fanout');
  const source = await declare('source', 'topic', { alternateExchange: rest });
  const sink = await declare('sink', 'fanout', { internal: true });
  const [bound, others] = [await privateQueue(channel), await privateQueue(channel)];
  await channel.bindExchange(sink, source, 'error.#');
  await channel.bindQueue(bound, sink, '');
  await channel.bindQueue(bound, source, 'error.disk'); // two ways, one copy
  await channel.bindQueue(others, rest, '');
  for (const key of ['error.disk', 'error.net', 'info']) channel.publish(source, key, Buffer.from(key));
  assert.deepEqual(await takeAll(channel, bound), ['error.disk', 'error.net']);
  assert.deepEqual(await takeAll(channel, others), ['info']);

  await channel.unbindExchange(sink, source, 'error.#');
  channel.publish(source, 'error.net', Buffer.from('unbound'));
  assert.deepEqual(await takeAll(channel, others), ['unbound']);
  for (const exchange of [source, sink, rest]) await channel.deleteExchange(exchange);
});
