// Picks log lines by their severity with a direct exchange, and letters by their headers.
'use strict';
const { assert, privateQueue, story, takeAll, unique } = require('./support');

story(async (connection) => {
  const channel = await connection.createChannel();
  await direct(channel);
  await headers(channel);
});

async function direct(channel) {
  const { exchange } = await channel.assertExchange(unique('direct'), 'direct', { durable: false, autoDelete: true });
  const [errors, all] = [await privateQueue(channel), await privateQueue(channel)];
  await channel.bindQueue(errors, exchange, 'error');
  for (const severity of ['info', 'warning', 'error']) await channel.bindQueue(all, exchange, severity);
  for (const severity of ['info', 'error', 'debug', 'warning']) {
    channel.publish(exchange, severity, Buffer.from(severity));
  }
  assert.deepEqual(await takeAll(channel, errors), ['error']);
  assert.deepEqual(await takeAll(channel, all), ['info', 'error', 'warning']);
}

async function headers(channel) {
  for (const [rule, matches] of [
    [{ 'x-match': 'all', format: 'pdf', pages: 7 }, ['a']],
    [{ 'x-match': 'any', format: 'pdf', pages: 9 }, ['a', 'b', 'c']],
    [{ format: null }, ['a', 'b']],
    [{ 'x-match': 'all' }, ['a', 'b', 'c', 'd']],
    [{ 'x-match': 'any' }, []],
  ]) {
    const queue = await privateQueue(channel);
    await channel.bindQueue(queue, 'amq.headers', '', rule);
    for (const [body, headers] of Object.entries({
      a: { format: 'pdf', pages: { '!': 'int64', value: 7 } }, // of any width
      b: { format: 'pdf', pages: 8 },
      c: { pages: 9 },
      d: {},
    })) {
      channel.publish('amq.headers', '', Buffer.from(body), { headers });
    }
    assert.deepEqual(await takeAll(channel, queue), matches, JSON.stringify(rule));
    await channel.deleteQueue(queue);
  }
}
