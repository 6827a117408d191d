package redact

// Class is what kind of secret a placeholder stands for.
type Class string

// The classes. Vendors whose keys have a shape of their own have a class of their
// own if many logs hold them, and share ServiceKey otherwise.
const (
	AWSAccessKey  Class = "aws_access_key"
	AWSSecretKey  Class = "aws_secret_key"
	GCPKey        Class = "gcp_key"
	AzureKey      Class = "azure_key"
	GitHubToken   Class = "github_token"
	GitLabToken   Class = "gitlab_token"
	SlackToken    Class = "slack_token"
	StripeKey     Class = "stripe_key"
	OpenAIKey     Class = "openai_key"
	AnthropicKey  Class = "anthropic_key"
	NPMToken      Class = "npm_token"
	PyPIToken     Class = "pypi_token"
	SendGridKey   Class = "sendgrid_key"
	TwilioKey     Class = "twilio_key"
	TelegramToken Class = "telegram_token"
	DiscordToken  Class = "discord_token"
	ServiceKey    Class = "service_key"
	// JWT is a JSON web token, signed or encrypted.
	JWT Class = "jwt"
	// PrivateKey is a private key as PEM, PuTTY, PGP or JWK, or lines of its body.
	PrivateKey Class = "private_key"
	// Authorization is what an authorization header carries.
	Authorization Class = "authorization"
	// Cookie is the value of a cookie or the id of a session.
	Cookie Class = "cookie"
	// URLPassword is a password or token in a URL or a connection string.
	URLPassword Class = "url_password"
	// Password, Token and SecretValue stand behind a name that says so.
	Password    Class = "password"
	Token       Class = "token"
	SecretValue Class = "secret"
	// Encoded is base64 whose text holds a secret of another class.
	Encoded Class = "encoded_secret"
	// HighEntropy is a random-looking value behind some other name.
	HighEntropy Class = "high_entropy"
	Email       Class = "email"
	Card        Class = "card_number"
	IBAN        Class = "iban"
	SSN         Class = "us_ssn"
	IP          Class = "ip_address"
)

var classes = [...]Class{
	AWSAccessKey, AWSSecretKey, GCPKey, AzureKey, GitHubToken, GitLabToken, SlackToken, StripeKey,
	OpenAIKey, AnthropicKey, NPMToken, PyPIToken, SendGridKey, TwilioKey, TelegramToken, DiscordToken,
	ServiceKey, JWT, PrivateKey, Authorization, Cookie, URLPassword, Password, Token, SecretValue,
	Encoded, HighEntropy, Email, Card, IBAN, SSN, IP,
}
