// Shares tasks between workers; one is killed in the middle of its task, the other gets it again.
'use strict';
const { spawn } = require('node:child_process');
const { assert, consumer, story, unique } = require('./support');

async function main(connection) {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue(unique('tasks'), { durable: true });
  for (const task of ['slow', 'quick']) {
    channel.sendToQueue(queue, Buffer.from(task), { persistent: true });
  }
  const victim = spawn(process.argv[0], [__filename, queue]);
  const words = await new Promise((resolve) => victim.stdout.once('data', resolve));
  assert.equal(words.toString(), 'began slow, redelivered=false\n');

  await channel.prefetch(1);
  const tasks = await consumer(channel, queue);
  const quick = await tasks.next();
  assert.equal(quick.content.toString(), 'quick');
  victim.kill('SIGKILL'); // no goodbye from this client
  channel.ack(quick);
  const slow = await tasks.next();
  assert.equal(slow.content.toString(), 'slow');
  assert.equal(slow.fields.redelivered, true);
  assert.equal(slow.properties.deliveryMode, 2);
  channel.ack(slow);
  await channel.deleteQueue(queue);
}

/** Takes one task at a time and never finishes the first. */
async function worker(connection) {
  const channel = await connection.createChannel();
  await channel.prefetch(1);
  const tasks = await consumer(channel, process.argv[2]);
  const task = await tasks.next();
  console.log(`began ${task.content}, redelivered=${task.fields.redelivered}`);
  await new Promise(() => setInterval(() => {}, 1000));
}

story(process.argv.length > 2 ? worker : main);
