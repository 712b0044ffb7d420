// A failing task waits in a second queue and comes back, until the third try; x-death counts.
'use strict';
const { assert, consumer, story, unique } = require('./support');

story(async (connection) => {
  const channel = await connection.createChannel();
  const work = unique('work'), wait = unique('wait');
  const options = { durable: true, deadLetterExchange: '' };
  await channel.assertQueue(work, { ...options, deadLetterRoutingKey: wait });
  await channel.assertQueue(wait, { ...options, deadLetterRoutingKey: work, messageTtl: 50 });
  channel.sendToQueue(work, Buffer.from('a task'), { persistent: true });
  const tasks = await consumer(channel, work);
  for (const tries of [0, 1, 2]) {
    const task = await tasks.next();
    assert.equal(task.content.toString(), 'a task');
    const told = (task.properties.headers['x-death'] || []).map(
      ({ queue, reason, count }) => [queue, reason, count]);
    const expected = [[wait, 'expired', tries], [work, 'rejected', tries]];
    assert.deepEqual(told, tries ? expected : []);
    if (tries < 2) channel.reject(task, false);
    else channel.ack(task);
  }
  await channel.cancel(tasks.consumerTag);
  assert.equal((await channel.deleteQueue(work)).messageCount, 0);
  assert.equal((await channel.deleteQueue(wait)).messageCount, 0);
});
