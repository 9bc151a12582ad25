"""Where stock moto 5.2.5 differs from AWS, one module per service, each correction with the AWS document it follows.

Most corrections replace one method of a moto class. They are applied before the first request and may be applied again
in the same process (the tests do); each application starts from moto's own code. Closing the account takes them back.
"""
