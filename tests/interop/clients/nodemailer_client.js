// Sends what a job on standard input says; tells on standard output, in order, what became of each message.
// {"transport": options of nodemailer.createTransport, "messages": [message, ..]}; "raw64" and "content64" are base64.
const fs = require('node:fs')
const { createRequire } = require('node:module')
const nodemailer = createRequire(process.argv[2] + '/')('nodemailer')

const decoded = (key, value) => (key === 'ca64' ? Buffer.from(value, 'base64').toString() : value)
const job = JSON.parse(fs.readFileSync(0, 'utf8'), decoded)
if (job.ca64) job.transport.tls = { ca: [job.ca64], rejectUnauthorized: true }

const send = async (transport, { raw64, ...message }) => {
  if (raw64 !== undefined) message.raw = Buffer.from(raw64, 'base64')
  for (const part of message.attachments ?? []) {
    part.content = Buffer.from(part.content64, 'base64')
    delete part.content64
  }
  try {
    const { accepted, rejected, response, messageId } = await transport.sendMail(message)
    return { accepted, rejected, response, messageId }
  } catch (error) {
    const { code, responseCode, response, command, message: text } = error
    return { error: code, responseCode, response, command, text }
  }
}

const main = async () => {
  const transport = nodemailer.createTransport(job.transport)
  const told = await Promise.all(job.messages.map((message) => send(transport, message)))
  transport.close()
  process.stdout.write(JSON.stringify(told))
}
main()
