// Waits for the broker's word: for each message, for a batch, and for what it must refuse.
'use strict';
const { assert, story, unique } = require('./support');

story(async (connection) => {
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue(unique('confirms'), { durable: true });
  const send = (queue, options) => new Promise((resolve) =>
    channel.sendToQueue(queue, Buffer.from('kept'), options, (error) => resolve(!error)));

  for (let i = 0; i < 10; i++) assert(await send(queue, { persistent: true }));
  for (let i = 0; i < 500; i++) channel.sendToQueue(queue, Buffer.from('kept'), { persistent: true });
  await channel.waitForConfirms();
  assert.equal((await channel.checkQueue(queue)).messageCount, 510);

  const events = [];
  channel.on('return', (message) => events.push(`returned ${message.fields.replyCode}`));
  events.push(`confirmed ${await send('nowhere', { mandatory: true })}`);
  assert.deepEqual(events, ['returned 312', 'confirmed true']);

  const limits = { 'x-max-length': 2, 'x-overflow': 'reject-publish' };
  const full = await channel.assertQueue('', { exclusive: true, arguments: limits });
  const answers = await Promise.all([1, 2, 3, 4].map(() => send(full.queue)));
  assert.deepEqual(answers, [true, true, false, false]);
  await channel.deleteQueue(queue);
});
