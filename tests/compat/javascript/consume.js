// A member of a group. node consume.js BOOTSTRAP GROUP TOPIC
//
// Prints "assigned P..." for each assignment and "P OFFSET VALUE" for each record, commits what it has printed, ends at SIGTERM and leaves the group.
const { Kafka, logLevel } = require('kafkajs')

const [bootstrap, groupId, topic] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'js', brokers: [bootstrap], logLevel: logLevel.NOTHING })
const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 200 })

consumer.on(consumer.events.GROUP_JOIN, e => {
	console.log(['assigned', ...(e.payload.memberAssignment[topic] || []).sort()].join(' '))
})
consumer.on(consumer.events.CRASH, e => {
	console.error(e.payload.error)
	if (!e.payload.restart) process.exit(1)
})
process.on('SIGTERM', async () => {
	await consumer.disconnect()
	process.exit(0)
})

async function main() {
	await consumer.connect()
	await consumer.subscribe({ topic, fromBeginning: true })
	await consumer.run({
		autoCommit: false,
		eachMessage: async ({ partition, message }) => {
			console.log(`${partition} ${message.offset} ${message.value}`)
			await consumer.commitOffsets([{ topic, partition, offset: (BigInt(message.offset) + 1n).toString() }])
		},
	})
}

main().catch(e => {
	console.error(e)
	process.exit(1)
})
