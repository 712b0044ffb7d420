// A queue with priorities gives the urgent first; a consumer with priority is served first.
'use strict';
const { assert, consumer, privateQueue, story, takeAll } = require('./support');

story(async (connection) => {
  const channel = await connection.createConfirmChannel();
  await messages(channel);
  await consumers(channel);
});

async function messages(channel) {
  const { queue } = await channel.assertQueue('', { exclusive: true, maxPriority: 5 });
  const sent = [[undefined, 'a'], [1, 'b'], [5, 'c'], [0, 'd'], [9, 'e'], [1, 'f']];
  for (const [priority, body] of sent) channel.sendToQueue(queue, Buffer.from(body), { priority });
  await channel.waitForConfirms();
  const first = await channel.get(queue);
  assert.equal(first.properties.priority, 5);
  channel.nack(first); // it goes back to its place
  assert.equal((await takeAll(channel, queue)).join(''), 'cebfad');
}

async function consumers(channel) {
  const queue = await privateQueue(channel);
  await channel.prefetch(1);
  const low = await consumer(channel, queue, { priority: 1 });
  const high = await consumer(channel, queue, { priority: 9 });
  for (const body of ['1', '2']) channel.sendToQueue(queue, Buffer.from(body));
  assert.equal((await high.next()).content.toString(), '1');
  assert.equal((await low.next()).content.toString(), '2');
}
